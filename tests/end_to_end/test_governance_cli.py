"""From a validated candidate to a decision over HTTP, by the commands a person types."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from fin_kedro.seals.seal import SealError, find_seal, list_seals, read_seal
from fin_kedro.verification.sealed_run import open_sealed
from tests.conftest import kedro
from tests.end_to_end.evidence import ledger_events
from tests.end_to_end.services import post, serving

pytestmark = pytest.mark.slow

APPROVE = ("approve", "credit", "--role", "model_validator", "--comment", "read the whole report")
CI = ("--env", "ci")


@pytest.fixture(scope="module")
def project(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for the story below; its tests run in their order."""
    target = tmp_path_factory.mktemp("governed") / "project"
    shutil.copytree(trained, target, symlinks=True)
    return target


@pytest.fixture(scope="module")
def client(trained: Path) -> mlflow.MlflowClient:
    """MLflow as the trained project left it."""
    uri = f"sqlite:///{trained}/data/mlflow/mlflow.db"
    mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient(uri)


def test_the_candidate_in_mlflow(client: mlflow.MlflowClient) -> None:
    version = client.get_model_version_by_alias("credit", "candidate")
    tags = version.tags
    assert tags["state"] == "validated" and tags["trained_by"] == "trainer"
    assert tags["contract"].startswith("credit_applications ")
    for name in (
        "contract_digest",
        "package_digest",
        "seal",
        "report_digest",
        "data.credit.applications",
    ):
        assert re.fullmatch("[0-9a-f]{64}", tags[name]), name
    run = client.get_run(version.run_id)
    assert run.data.metrics["credit.test.champion.auc"] > 0.75
    assert run.data.params["credit.champion.settings.depth"] == "4"
    figures = {item.path for item in client.list_artifacts(version.run_id, "figures")}
    assert figures == {f"figures/{name}.png" for name in ("roc", "reliability", "importance")}
    assert client.list_artifacts(version.run_id, "validation")


def test_the_registered_model_has_a_signature_and_predicts_its_example(
    client: mlflow.MlflowClient, trained: Path
) -> None:
    assert client.get_model_version_by_alias("credit", "candidate")
    model = mlflow.pyfunc.load_model("models:/credit@candidate")
    schema = model.metadata.signature.inputs
    protected = {"SEX", "AGE", "MARRIAGE", "DEFAULT", "ID"}
    assert len(schema) > 15 and not protected & set(schema.input_names())
    example = model.input_example
    found = model.predict(example)["probability"]
    assert len(found) == len(example) and found.between(0, 1).all()
    (golden,) = trained.glob("data/06_models/credit/package/*/package/golden.json")
    expected = [row["probability"] for row in json.loads(golden.read_text())[: len(found)]]
    assert found.to_numpy() == pytest.approx(expected, abs=1e-6)


def test_models_shows_the_validated_candidate(project: Path) -> None:
    listed = kedro(project, "models")
    assert listed.returncode == 0, listed.stderr
    row = r"credit\s+1\s+ci\s+validated\s+\S+\s+trainer\s+\w{12}\s+[0-9a-f]{16}\s"
    assert re.search(row, listed.stdout), listed.stdout
    assert ledger_events(project / "data/governance/ledger.sqlite") == ["registered", "validated"]


def test_release_before_approval_is_refused(project: Path) -> None:
    refused = kedro(project, "release", "credit")
    assert refused.returncode == 1
    assert "1 is validated" in refused.stderr and "kedro approve credit" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (project / "data/09_releases").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((*APPROVE, "--by", "Trainer "), "four eyes"),
        ((*APPROVE[:2], "--role", "intern", "--comment", APPROVE[-1], "--by", "Ada"), "'intern'"),
        ((*APPROVE[:5], "fine", "--by", "Ada"), "at least 10"),
    ],
)
def test_approval_is_refused(project: Path, arguments: tuple[str, ...], says: str) -> None:
    refused = kedro(project, *arguments)
    assert refused.returncode == 1
    assert says in refused.stderr and "Traceback" not in refused.stderr
    assert ledger_events(project / "data/governance/ledger.sqlite") == ["registered", "validated"]


def test_approve_release_and_a_decision_over_http(project: Path) -> None:
    elsewhere = kedro(project, *APPROVE, "--by", "Ada Byron")
    assert "validated in the environment ci and cannot be approved in base" in elsewhere.stderr
    approved = kedro(project, *APPROVE, "--by", "Ada Byron", *CI)
    assert approved.returncode == 0, approved.stderr
    assert "Next: kedro release credit --env ci" in approved.stdout
    released = kedro(project, "release", "credit", *CI)
    assert released.returncode == 0, released.stderr
    listed = kedro(project, "models").stdout
    assert re.search(r"credit\s+1\s+ci\s+released", listed), listed
    events = ledger_events(project / "data/governance/ledger.sqlite")
    assert events == ["registered", "validated", "approved", "released"]
    release, training = list_seals(project)[0], find_seal(project, "latest")
    assert set(read_seal(release)["content"]["code"]["nodes"]) == {"credit.build_release"}
    assert training != release, "a release is not what is verified, shown and exported as the last"
    with pytest.raises(SealError, match="is a release.*`kedro verify latest`"):
        open_sealed(project, release.parent.name)
    client = mlflow.MlflowClient(f"sqlite:///{project}/data/mlflow/mlflow.db")
    version = client.get_model_version_by_alias("credit", "approved")
    assert version.tags["state"] == "released" and version.tags["approved_by"] == "Ada Byron"

    command = released.stdout.rstrip().splitlines()[-1].strip()
    with serving(project, command) as url:
        row = example_row(project)
        answer = post(f"{url}/score", {"applications": [{**row, "id": "first"}]})
    (decision,) = answer["decisions"]
    assert decision["id"] == "first" and decision["decision"] in ("approve", "decline")
    assert (decision["probability"] >= decision["threshold"]) == (decision["decision"] == "decline")
    assert decision["reasons"] and all(reason["text"] for reason in decision["reasons"])
    assert decision["model"]["version"] == "1"
    assert decision["model"]["digest"] == version.tags["package_digest"]
    _check_the_bento(project)
    _roll_the_ledger_back(project)


def _check_the_bento(project: Path) -> None:
    """It is as released, also after it served; altered it is not."""
    (bento,) = project.glob("data/09_releases/credit/bentos/credit/1-*")
    checked = kedro(project, "release", "check", str(bento))
    assert "is as released: credit 1, digest" in checked.stdout, checked.stderr
    code = bento / "src/fin_kedro/serving/scorer.py"
    code.write_text(code.read_text() + "# altered")
    refused = kedro(project, "release", "check", str(bento))
    assert refused.returncode == 1 and "src/fin_kedro/serving/scorer.py" in refused.stderr


def _roll_the_ledger_back(project: Path) -> None:
    """Without its last entry it is refused: the seal of the run that released knows that one."""
    path = project / "data/governance/ledger.sqlite"
    with sqlite3.connect(path) as connection:
        for name, trigger in (("ledger", "no"), ("signatures", "signatures_no")):
            connection.execute(f"DROP TRIGGER {trigger}_delete")
            connection.execute(
                f"DELETE FROM {name} WHERE number = (SELECT max(number) FROM {name})"
            )
    connection.close()
    for command in (("models",), ("release", "credit"), (*APPROVE, "--by", "Ada Byron")):
        refused = kedro(project, *command)
        assert refused.returncode == 1
        assert "the seal of run 20" in refused.stderr
        assert "Traceback" not in refused.stderr


def example_row(project: Path) -> dict[str, Any]:
    """An application made of the contract's examples."""
    text = (project / "conf/base/contracts/credit_applications.odcs.yaml").read_text()
    columns = yaml.safe_load(text)["schema"][0]["properties"]
    roles = {c["name"]: c["customProperties"][0]["value"] for c in columns}
    return {c["name"]: c["examples"][0] for c in columns if roles[c["name"]] == "feature"}
