"""Every parameter is known: what nothing reads, or cannot be, is refused with place and hint."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from fin_kedro.parameters.check import check_parameters
from fin_kedro.parameters.refusals import ParameterError
from fin_kedro.project.config import ProjectConfigLoader, project_config
from fin_kedro.project.templates import laid_over
from tests.conftest import ROOT

OWN_WORKFLOW = ROOT / "docs/examples/own_workflow"


def dotted(params: str) -> dict[str, Any]:
    """What follows --params, parted by |, as Kedro reads it."""
    conf = OmegaConf.from_dotlist(params.split("|") if params else [])
    return OmegaConf.to_container(conf)  # type: ignore[return-value]


def loader(project: Path = ROOT, env: str | None = None, params: str = "") -> ProjectConfigLoader:
    """The conf as `kedro run --env ENV --params PARAMS` reads it; params are parted by |."""
    return ProjectConfigLoader(
        project / "conf",
        env=env,
        base_env="base",
        default_run_env="local",
        runtime_params=dotted(params),
    )


CONF = project_config(ROOT, checked=False)["parameters"]
READ = loader()  # for checks in memory: reading conf takes longer than all else here


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """The project's parameters with some of the command line's, as the loader lays them over."""
    content = laid_over(copy.deepcopy(CONF), given)
    READ.runtime_params = given
    check_parameters(content, READ)
    return content


def refusal(read: ProjectConfigLoader, key: str = "parameters") -> str:
    with pytest.raises(ParameterError) as caught:
        read[key]
    return str(caught.value)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's conf, to be broken."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    (tmp_path / "conf/local").mkdir()
    (tmp_path / "conf/own").mkdir()
    return tmp_path


def break_line(project: Path, file: str, old: str, new: str) -> int:
    """Change one place of conf; its line."""
    path = project / "conf" / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return text[: text.index(old) + len(old) - len(old.lstrip())].count("\n") + 1


@pytest.mark.parametrize("env", [None, "ci", "team", "spark"])
def test_the_projects_own_conf_is_accepted_and_stays_as_it_was(env: str | None) -> None:
    for key in ("parameters", "policy"):
        assert loader(env=env)[key] == project_config(ROOT, env, checked=False)[key]


@pytest.mark.parametrize("example", ["own_data", "own_transactions", "own_workflow"])
def test_the_examples_of_the_docs_are_accepted(project: Path, example: str) -> None:
    for file in (ROOT / "docs/examples" / example).glob("*.yml"):
        shutil.copy(file, project / "conf/own" / file.name)
    assert loader(project, "own")["parameters"] and loader(project, "own")["policy"]


# what is given after --params, and what the refusal says of it
REFUSED = {
    "credit.decision.costs.aprove_bad=-5": (
        "--params: credit.decision.costs.aprove_bad is unknown; did you mean 'approve_bad'? "
        "Allowed: approve_good, approve_bad, decline_good, decline_bad"
    ),
    "credit.decision.costs.approve_bad=much": "approve_bad is 'much'. Allowed: a number",
    "credit.decision.costs.approve_bad=5": "decline_bad 0 must be above approve_bad 5",
    "credit.decision.costs.approve_bad=.nan": "approve_bad is nan. Allowed: a number",
    "kredit.champion.seed=1": "kredit is unknown; did you mean 'credit'?",
    "credit=3": "credit is 3. Allowed: a section with features,",
    "credit.champion=null": "credit.champion is None. Allowed: a section with settings,",
    "credit.champoin.seed=1": "credit.champoin is unknown; did you mean 'champion'?",
    "credit.champion.seed=-1": "seed is -1. Allowed: a whole number, 0 to 4294967295",
    "credit.champion.seed=true": "seed is True. Allowed: a whole number",
    "credit.champion.seed=1.5": "seed is 1.5. Allowed: a whole number",
    "credit.champion.held_out_share=1": "Allowed: a number above 0, below 1",
    "credit.champion.settings.dept=6": "'dept' is no setting of CatBoost; did you mean 'depth'?",
    "credit.champion.settings.depth=60": "depth is 60. Allowed: a whole number, 1 to 16",
    "credit.champion.settings.rsm=5": "CatBoost refuses rsm 5: Rsm should be in (0, 1]",
    "credit.champion.settings.colsample_bylevel=5": "CatBoost refuses colsample_bylevel 5",
    "credit.champion.settings.random_seed=5": "the parameter champion.seed sets it",
    "credit.champion.settings.n_estimators=5": "write iterations",
    "credit.champion.search.space.depth=[3,99]": "search.space.depth is 99. Allowed: a whole",
    "credit.champion.search.space.dpth=[3]": "did you mean 'depth'?",
    "credit.champion.search.space.depth=[]": "space.depth has no value",
    "credit.scorecard.max_bin=3": "max_bin is unknown; did you mean 'max_bins'?",
    "credit.scorecard.min_share=.9": "Allowed: a number above 0, at most 0.5",
    "credit.split.shares.train=0.5": "add up to 0.9; they must to 1",
    "credit.split.out_of_time_from=soon": "'soon'. Allowed: a date or a moment",
    "credit.split.by=time": "the split is by time, and 'parts' is missing",
    "credit.online.store=memory:": "credit.online is unknown. Allowed: features, champion",
    "credit.features.definitions=foo": "'foo'. Allowed: package.module:name or null",
    "credit.features.statistics=a.b:c": "credit.features.statistics is unknown.",
    "credit.decision.words.rwo=x": "words.rwo is unknown; did you mean 'row'?",
    "credit.batch.version=0": "is 0. Allowed: the number of a registered version, or its name",
    "credit.release.workflow=fraud": "credit.release.workflow is 'fraud'. Allowed: credit",
    "fraud.batch.model=candidat": "is 'candidat'. Allowed: approved or candidate",
    "fraud.split.parts.test.from=2018-08-05": "test starts 2018-08-05, before calibration",
    "fraud.split.parts.test.from=2018-08-07": "less than delay_days = 7 days after calibration",
    "fraud.split.parts.test.from=yesterday": "is 'yesterday'. Allowed: a day, such as",
    "fraud.replay.from=2018-13-01": "is '2018-13-01'. Allowed: a day",
    "fraud.replay.form=2018-08-13": "fraud.replay.form is unknown; did you mean 'from'?",
    "fraud.time_travel.days=[]": "Allowed: a list of one or more, each a day",
    "fraud.time_travel.days=[2018-07-30,3]": "fraud.time_travel.days.1 is 3. Allowed: a day",
    "fraud.online.stream.share=maybe": "is 'maybe'. Allowed: true or false",
    "fraud.online.store_options.sync=alway": "is 'alway'. Allowed: os or always",
    "fraud.detection.costs.reveiw=1": "did you mean 'review'?",
    "fraud.simulation.settings.dayz=4": "Did you mean 'days'?",
    "fraud.simulation.settings.labels.late_share=4": "late_share is 4. Allowed: a number, 0 to 1",
    "fraud.champion.imbalance.method=weight": "Allowed: none or weights or undersampling",
    "fraud.scorecard.imbalance.method=weights": "Allowed: none or undersampling",
    "fraud.champion.search.validation=folds|fraud.champion.search.folds=1": "at least 2",
    "{workflow}.champion.sed=7": "credit.champion.sed is unknown; did you mean 'seed'?",
    "quarantine.largest_share=5": "quarantine.largest_share is 5. Allowed: a number, 0 to 1",
    "parity.max_abs_dif=1": "did you mean 'max_abs_diff'?",
    "gates.DIS-AUC.limits.min=.1": "gates is policy, and would change nothing here",
    "workflows.fraud.replay.fewest_rows=1": "workflows is policy, and would change nothing",
    "run_context.env=x": "a run fills it in",
}


@pytest.mark.parametrize("params", REFUSED)
def test_the_command_line_is_refused(params: str) -> None:
    if params.startswith("{"):
        said = refusal(loader(params=params))
    else:
        with pytest.raises(ParameterError) as caught:
            checked(dotted(params))
        said = str(caught.value)
    assert said.startswith("--params: ") and REFUSED[params] in said
    assert "Nothing was run or written. Next: correct" in said
    assert said.count("\n") == (2 if params.startswith("{workflow}") else 1)


@pytest.mark.parametrize(
    "params",
    [
        *("credit.explain.seed=8", "credit.batch.version=3", "fraud.batch.model=candidate"),
        *("credit.champion.settings.rsm=0.5", "credit.decision.model=scorecard"),
        *("credit.split.out_of_time_from=2016-01-01", "fraud.detection=null"),
        *("{workflow}.champion.seed=7", "{static}.champion.patience=7", "parity.max_abs_diff=1e-4"),
        "credit.champion.settings.grow_policy=Lossguide|credit.champion.settings.max_leaves=8",
        "fraud.split.parts.test.from=2018-08-13|fraud.online.stream.properties={a.b: 3}",
    ],
)
def test_what_is_allowed_reaches_the_run(params: str) -> None:
    first = params.split("|", maxsplit=1)[0].partition("=")[0].split(".")
    in_file = params.startswith("{")
    found: Any = loader(params=params)["parameters"] if in_file else checked(dotted(params))
    for step in {"{workflow}": "fraud", "{static}": "credit"}.get(first[0], first[0]), *first[1:]:
        found = found[step]
    assert found == OmegaConf.select(OmegaConf.from_dotlist(params.split("|")), ".".join(first))


def test_a_file_is_named_with_its_line(project: Path) -> None:
    line = break_line(project, "base/parameters_credit.yml", "approve_bad: -10.0", "aprove_bad: 1")
    assert refusal(loader(project)).startswith(
        f"conf/base/parameters_credit.yml, line {line}: credit.decision.costs.aprove_bad is unknown"
    )
    (project / "conf/own/parameters_x.yml").write_text("credit:\n\n  explain: {rows: some}\n")
    assert "conf/own/parameters_x.yml, line 3: credit.explain.rows" in refusal(
        loader(project, "own")
    )


def test_what_is_written_for_a_kind_is_named_where_it_stands(project: Path) -> None:
    line = break_line(project, "base/parameters.yml", "    max_bins: 6 ", "    max_bins: 1 ")
    said = refusal(loader(project))
    assert f"conf/base/parameters.yml, line {line}: credit.scorecard.max_bins is 1" in said
    assert f"conf/base/parameters.yml, line {line}: fraud.scorecard.max_bins is 1" in said
    # the workflow's own value counts, and the kind's
    said = refusal(loader(project, params="credit.scorecard.max_bins=6"))
    assert "credit" not in said and "fraud.scorecard.max_bins" in said
    assert loader(
        project, params="{static}.scorecard.max_bins=6|{event_time}.scorecard.max_bins=6"
    )["parameters"]


def test_the_value_that_counts_is_blamed(project: Path) -> None:
    break_line(project, "base/parameters_static.yml", "    patience: 60 ", "    patience: none ")
    assert loader(project, "ci")["parameters"]["credit"]["champion"]["patience"] == 20
    said = refusal(loader(project, "ci", "credit.champion.patience=0"))
    assert said.startswith("--params: credit.champion.patience is 0")
    assert refusal(loader(project)).startswith("conf/base/parameters_static.yml")


def test_a_third_workflow_needs_its_costs(project: Path) -> None:
    shutil.copy(OWN_WORKFLOW / "workflows.yml", project / "conf/own/workflows.yml")
    said = refusal(loader(project, "own"))
    assert said.startswith(
        "conf/own/parameters_loans.yml: loans.decision.costs is missing. Needed: a section with "
        "approve_good, approve_bad, decline_good, decline_bad"
    )
    own = project / "conf/own/parameters_loans.yml"
    own.write_text("loans:\n  decision:\n    costs: {approve_good: 1, approve_bad: -9}\n")
    said = refusal(loader(project, "own"))
    assert "parameters_loans.yml, line 3: loans.decision.costs.decline_bad is missing" in said
    own.write_text(own.read_text().replace("-9", "-9, decline_good: 0, decline_bad: 0"))
    assert loader(project, "own")["parameters"]["loans"]["decision"]["costs"]["approve_bad"] == -9
    assert "lonas is unknown; did you mean 'loans'?" in refusal(
        loader(project, "own", "lonas.champion.seed=1")
    )


def test_a_workflow_that_is_taken_away_may_keep_its_section_in_base(project: Path) -> None:
    (project / "conf/own/workflows.yml").write_text("fraud: null\n")
    assert "fraud" in loader(project, "own")["parameters"]
    assert "fraud is unknown" in refusal(loader(project, "own", "fraud.replay.rows=10"))
    (project / "conf/own/parameters_x.yml").write_text("freud: {replay: {rows: 1}}\n")
    said = refusal(loader(project, "own"))
    assert said.startswith("conf/own/parameters_x.yml, line 1: freud is unknown")


def test_a_project_without_workflows_has_a_schema_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "conf/base").mkdir(parents=True)
    (tmp_path / "conf/local").mkdir()
    (tmp_path / "conf/base/parameters.yml").write_text("model: {ridge: 1}\n")
    assert loader(tmp_path, params="x=1")["parameters"] == {"model": {"ridge": 1}, "x": 1}


# a line of policy.yml in an own environment, and what is said of it
POLICY = {
    "gates: {DIS-AUC: {limits: {mn: 1}}}": "gates.DIS-AUC.limits.mn is unknown; did you mean 'min'",
    "gates: {DIS-AUC: {limits: {min: high}}}": "limits.min is 'high'. Allowed: a number or null",
    "gates: {STA-PSI: {limits: {warn_max: 1}}}": "warn_max is called attention_max now",
    "gates: {DIS-AUC: {gate: 1}}": "gates.DIS-AUC.gate is 1. Allowed: true or false",
    "gates: {DIS-AUK: {limits: {min: .6}}}": "DIS-AUK.title is missing",
    "gates: {CAL-SLOPE: {limits: {min: 2}}}": "min 2 is above max 1.2",
    "gate: {DIS-AUC: {gate: true}}": "gate is unknown; did you mean 'gates'?",
    "validation: {psi_bin: 5}": "validation.psi_bin is unknown; did you mean 'psi_bins'?",
    "validation: {psi_bins: 1}": "psi_bins is 1. Allowed: a whole number at least 2",
    "validation: {group_edges: {AGE: [40, 30]}}": "AGE is [40, 30]. Allowed: a list of numbers",
    "quarantine: {largest_share: 2}": "largest_share is 2. Allowed: a number, 0 to 1",
    "approval: {roles: []}": "approval.roles is []. Allowed: a list of one or more",
    "workflows: {frad: {gates: {}}}": "workflows.frad is no workflow; did you mean 'fraud'?",
    "workflows: {fraud: {quarantine: {largest_share: 1}}}": "would change nothing: quarantine",
    "workflows: {fraud: {replay: {fewest_row: 1}}}": "workflows.fraud.replay.fewest_row is unknown",
    "workflows: {fraud: 3}": "workflows.fraud is 3",
}


@pytest.mark.parametrize("text", POLICY)
def test_a_policy_is_refused_with_its_line(project: Path, text: str) -> None:
    (project / "conf/own/policy.yml").write_text(f"# own\n{text}\n")
    said = refusal(loader(project, "own"), "policy")
    assert said.startswith("conf/own/policy.yml, line 2: ") and POLICY[text] in said


def test_a_misspelt_gate_is_told_from_a_new_one(project: Path) -> None:
    own = project / "conf/own/policy.yml"
    own.write_text("gates: {DIS-AUK: {limits: {min: .6}}}")
    assert "did you mean 'DIS-AUC'?" in refusal(loader(project, "own"), "policy")
    own.write_text("gates: {OWN-ONE: {title: One, limits: {min: .6}, reason: Ours.}}")
    assert loader(project, "own")["policy"]["gates"]["OWN-ONE"]["title"] == "One"


def _leaves(content: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(content, Mapping) and content:
        for name, value in content.items():
            yield from _leaves(value, (*above, name))
    else:
        yield above, content


OURS = {name: CONF[name] for name in ("credit", "fraud")}
FREE = (("online", "stream", "properties"), ("champion", "search", "space"))  # others' names
LEAVES = [path for path, _ in _leaves(OURS) if not any(path[1 : 1 + len(f)] == f for f in FREE)]


def _at(path: tuple[str, ...], value: Any) -> Any:
    """Runtime parameters that set a path."""
    for step in reversed(path):
        value = {step: value}
    return value


def _check(path: tuple[str, ...], value: Any) -> None:
    """The project's parameters with one value set on the command line."""
    content = copy.deepcopy(CONF)
    section: Any = content
    for step in path[:-1]:
        section = section[step]
    section[path[-1]] = value
    READ.runtime_params = _at(path, value)
    check_parameters(content, READ)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(LEAVES), st.data())
def test_one_wrong_letter_in_any_name_is_refused(path: tuple[str, ...], data: Any) -> None:
    place = data.draw(st.integers(1, len(path) - 1))
    at = data.draw(st.integers(0, len(path[place]) - 1))
    name = path[place][:at] + "Q" + path[place][at + 1 :]
    with pytest.raises(ParameterError, match=rf"--params: .*{name}.* (is unknown|is no setting)"):
        _check((*path[:place], name), 1)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(LEAVES), st.sampled_from([{"a": 1}, [{}], -1e300, {}]))
def test_a_value_of_no_possible_type_is_refused_everywhere(path: Any, value: Any) -> None:
    if value == {} and dict(_leaves(OURS))[path] == {}:
        return  # an empty section for an empty section
    if value == -1e300 and path[-1] in ("approve_bad", "decline_good", "base_points"):
        return  # a number like another
    with pytest.raises(ParameterError, match=r"--params: "):
        _check(path, value)
