"""Model table to a registered candidate."""

from typing import Any

from kedro.pipeline import Pipeline, node

from fin_kedro.pipelines.training import assemble, judge, score, train


def create_pipeline() -> Pipeline:
    """Train, calibrate, decide, explain, export, compare, measure, register."""
    table, models = ["model_table", "features"], ["champion", "scorecard"]
    graphs = ["champion_graph", "scorecard_graph"]
    steps: list[tuple[Any, Any, Any]] = [
        (train.train_champion, [*table, "params:champion"], ["champion", "champion_trials"]),
        (train.train_scorecard, [*table, "params:scorecard"], ["scorecard", "scorecard_points"]),
        (train.calibrate_models, [*table, *models], "calibrations"),
        (train.set_decision_policy, "params:decision", "decision_policy"),
        (score.score_rows, [*table, *models, "calibrations", "decision_policy"], "scores"),
        (
            score.explain_champion,
            [*table, "champion", "params:explain"],
            ["shap_values", "shap_summary"],
        ),
        (
            assemble.export_graphs,
            ["contract", "features", "params:features", *models, "calibrations"],
            graphs,
        ),
        (
            assemble.check_parity,
            ["accepted", "contract", "scores", *graphs, "decision_policy", "params:parity"],
            "parity",
        ),
        (
            judge.measure_models,
            ["scores", "model_table", "decision_policy", "params:bootstrap", "params:detection"],
            ["metrics", "calibration_curves", "mlflow_metrics"],
        ),
        (
            judge.draw_figures,
            ["scores", "calibration_curves", "shap_summary"],
            ["roc_figure", "reliability_figure", "importance_figure"],
        ),
        (
            assemble.assemble_candidate,
            [
                *("accepted", "contract", "scores", "features", "params:features"),
                *(*models, *graphs, "calibrations", "decision_policy", "parity"),
            ],
            "candidate",
        ),
    ]
    return Pipeline([node(f, i, o, name=f.__name__, tags="training") for f, i, o in steps])
