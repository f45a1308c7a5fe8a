"""Raw rows that stand for themselves to the model table."""

from kedro.pipeline import Pipeline, node

from fin_kedro.features import model_table as nodes


def create_pipeline() -> Pipeline:
    """Two steps; every boundary is persisted."""
    return Pipeline(
        [
            node(
                nodes.quarantine_broken_rows,
                ["applications", "contract", "params:quarantine"],
                ["accepted", "quarantine", "contract_report"],
                name="quarantine_broken_rows",
                tags="features",
            ),
            node(
                nodes.build_model_table,
                ["accepted", "contract", "params:features", "params:split"],
                ["model_table", "features"],
                name="build_model_table",
                tags="features",
            ),
        ]
    )
