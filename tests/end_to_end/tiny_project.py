"""A small Kedro project under git whose runs are sealed: five nodes, a contract, a notebook.

It starts in three seconds, so that many changes can be planted in it.
"""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

VERSION = "2026-01-01T00.00.00.000Z"
RAW = f"data/01_raw/applications.csv/{VERSION}/applications.csv"
NODES = '''
    """What the nodes compute."""

    from __future__ import annotations

    import os

    import more_itertools
    import numpy as np
    import pandas as pd


    def keep_valid(applications, contract):
        """Rows within the contract's limits."""
        return applications[applications["debt"] <= contract["largest_debt"]].reset_index(drop=True)


    def fit(accepted, model):
        """Ridge regression of the outcome on income, debt and noise drawn by a seed."""
        rows = np.random.default_rng(model["seed"]).choice(len(accepted), model["rows"])
        drawn = accepted.iloc[rows]
        x = np.column_stack([np.ones(len(drawn)), drawn["income"], drawn["debt"]])
        gram = x.T @ x + model["ridge"] * np.eye(3)
        return {"weights": np.linalg.solve(gram, x.T @ drawn["late"]).tolist()}


    def smooth(accepted):
        """Debt, averaged over neighbouring rows: by a library."""
        windows = more_itertools.windowed(accepted["debt"], 3)
        return {"smooth": [round(float(np.mean(w)), 6) for w in windows][:20]}


    def score(accepted, model, decision):
        """Probability and decision of each row."""
        constant, income, debt = model["weights"]
        risk = constant + income * accepted["income"] + debt * accepted["debt"]
        probability = 1 / (1 + np.exp(-4 * (risk - 0.5)))
        outcome = np.where(probability < decision["threshold"], "approve", "decline")
        columns = {"probability": probability, "decision": outcome}
        return pd.DataFrame({"entity_id": accepted["entity_id"], **columns})


    def judge(scores, run_context):
        """One verdict: the share approved, against the policy's limit."""
        share = float((scores["decision"] == "approve").mean())
        limit = run_context["gates"]["APPROVED"]["min"]
        status = "pass" if share >= limit else "fail"
        verdict = {"code": "APPROVED", "status": status, "gate": True, "value": share}
        return {"verdicts": [verdict]}


    def fit_crowd(settings):
        """CatBoost on as many threads as the process may use: what our own nodes never do."""
        from catboost import CatBoostClassifier

        random = np.random.default_rng(0)
        x = random.normal(size=(settings["rows"], 6))
        chance = 1 / (1 + np.exp(-x[:, 0] - x[:, 1] * 0.5))
        model = CatBoostClassifier(
            iterations=25, learning_rate=0.3, depth=8, random_seed=1, bootstrap_type="Bayesian",
            leaf_estimation_method="Newton", leaf_estimation_iterations=10, verbose=0,
            allow_writing_files=False, thread_count=int(os.environ["OMP_NUM_THREADS"]),
        )
        model.fit(x, random.random(len(x)) < chance)
        return {"probability": model.predict_proba(x[:500])[:, 1].tolist()}


    def draw_lots(settings):
        """Random numbers without a seed: nothing can give them again."""
        return {"lots": np.random.default_rng().random(settings["rows"]).tolist()}
'''
PIPELINES = '''
    """The pipelines: the main one, and two that cannot be trusted."""

    from kedro.pipeline import Pipeline, node

    from tiny import nodes


    def register_pipelines():
        """Every pipeline by name."""
        main = Pipeline(
            [
                node(nodes.keep_valid, ["applications", "contract"], "accepted", name="keep_valid"),
                node(nodes.fit, ["accepted", "params:model"], "model", name="fit"),
                node(nodes.smooth, "accepted", "smoothed", name="smooth"),
                node(nodes.score, ["accepted", "model", "params:decision"], "scores", name="score"),
                node(nodes.judge, ["scores", "params:run_context"], "verdicts", name="judge"),
            ]
        )
        crowd = Pipeline([node(nodes.fit_crowd, "params:crowd", "crowd", name="fit_crowd")])
        lots = Pipeline([node(nodes.draw_lots, "params:lots", "lots", name="draw_lots")])
        return {"__default__": main, "crowd": crowd, "lots": lots}
'''
SETTINGS = '''
    """Kedro's settings."""

    from fin_kedro.hooks import SealHooks
    from fin_kedro.project.config import ProjectConfigLoader

    CONFIG_LOADER_CLASS = ProjectConfigLoader
    CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local"}
    HOOKS = (SealHooks(),)
    DISABLE_HOOKS_FOR_PLUGINS = ("kedro-mlflow", "kedro_mlflow", "kedro-viz", "kedro-telemetry")
'''
CATALOG = """
    applications: {type: pandas.CSVDataset, filepath: data/01_raw/applications.csv, versioned: true}
    contract: {type: json.JSONDataset, filepath: conf/base/contracts/applications.json}
    accepted: {type: pandas.ParquetDataset, filepath: data/02/accepted.parquet, versioned: true}
    model: {type: json.JSONDataset, filepath: data/06/model.json, versioned: true}
    smoothed: {type: json.JSONDataset, filepath: data/06/smoothed.json, versioned: true}
    scores: {type: pandas.ParquetDataset, filepath: data/07/scores.parquet, versioned: true}
    verdicts: {type: json.JSONDataset, filepath: data/08/verdicts.json, versioned: true}
    crowd: {type: json.JSONDataset, filepath: data/06/crowd.json, versioned: true}
    lots: {type: json.JSONDataset, filepath: data/06/lots.json, versioned: true}
    seal: {type: json.JSONDataset, filepath: data/08/seal.json, versioned: true}
"""
PARAMETERS = """
    model: {ridge: 1.0e-3, seed: 7, rows: 300}
    decision: {threshold: 0.5}
    crowd: {rows: 60000}
    lots: {rows: 20}
    run_context: {}
    tiny: {release: {ledger: "${project:data/ledger.sqlite}"}}
"""
VERIFICATION = """
    at_least: B
    tolerances:
      - {dataset: "*", leaf: "*", absolute: 1.0e-6, relative: 1.0e-6, reason: sums of a few hundred}
    verdicts: [{dataset: verdicts, list: verdicts, key: code, fields: [status, gate]}]
    decisions: [{dataset: scores, key: entity_id, column: decision}]
    keys: {scores: entity_id, accepted: entity_id}
"""
FILES = {
    "pyproject.toml": """
        [tool.kedro]
        package_name = "tiny"
        project_name = "tiny"
        kedro_init_version = "1.7.0"
        source_dir = "src"
    """,
    ".gitignore": "/data/*\n/conf/local/*\n__pycache__/\n.ipynb_checkpoints/\n",
    "src/tiny/__init__.py": '"""A small project."""\n',
    "src/tiny/nodes.py": NODES,
    "src/tiny/pipeline_registry.py": PIPELINES,
    "src/tiny/settings.py": SETTINGS,
    "conf/base/catalog.yml": CATALOG,
    "conf/base/parameters.yml": PARAMETERS,
    "conf/base/verification.yml": VERIFICATION,
    "conf/base/policy.yml": "gates: {APPROVED: {min: 0.2}}\n",
    "conf/base/globals.yml": "data: data\n",
    "conf/base/mlflow.yml": "server: {mlflow_tracking_uri: '${project:data/mlflow.db}'}\n",
    "conf/base/contracts/applications.json": '{"largest_debt": 0.95}\n',
}
CELLS = (
    "from fin_kedro.project.evidence import open_catalog\n\nmean = 0.25\nprint('read')",
    "rows = open_catalog(project_path='..').load('applications')\n"
    "print('mean', rows['debt'].mean() * mean)",
    "print('the end')",
)


def applications(rows: int = 400, seed: int = 3) -> pd.DataFrame:
    """Raw applications: income, debt, and whether the loan was late."""
    random = np.random.default_rng(seed)
    income, debt = random.random(rows).round(4), random.random(rows).round(4)
    late = (random.random(rows) < 0.2 + 0.6 * debt - 0.3 * income).astype(int)
    names = {"entity_id": range(rows), "income": income, "debt": debt, "late": late}
    return pd.DataFrame(names)


def make_tiny(folder: Path) -> Path:
    """Write the project, its raw data and its first commit."""
    for name, text in FILES.items():
        write(folder / name, textwrap.dedent(text).lstrip("\n"))
    write(folder / "notebooks/mean.ipynb", notebook(CELLS))
    (folder / "conf/local").mkdir(parents=True)
    raw = folder / RAW
    raw.parent.mkdir(parents=True)
    applications().to_csv(raw, index=False)
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def notebook(cells: tuple[str, ...]) -> str:
    """A notebook of code cells, as JSON."""
    made = [
        {
            "cell_type": "code", "id": f"c{number}", "metadata": {}, "source": source,
            "outputs": [], "execution_count": None,
        }
        for number, source in enumerate(cells, 1)
    ]  # fmt: skip
    kernel = {"name": "fin-kedro", "display_name": "fin-kedro", "language": "python"}
    content = {"cells": made, "metadata": {"kernelspec": kernel}}
    return json.dumps({**content, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def git(folder: Path, *arguments: str) -> str:
    """Run git as nobody in particular; what it prints."""
    identity = ("-c", "user.name=tiny", "-c", "user.email=tiny@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def commit(folder: Path) -> str:
    """Commit everything that git does not ignore; the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a state")
    return git(folder, "rev-parse", "HEAD").strip()


def replace(folder: Path, name: str, old: str, new: str) -> None:
    """Change one place of a file; it must be there."""
    text = (folder / name).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is not once in {name}"
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
