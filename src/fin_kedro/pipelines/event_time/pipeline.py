"""Events and their labels to the model table, and the replay that proves the online path."""

from kedro.pipeline import Pipeline, node

from fin_kedro.features import model_table
from fin_kedro.pipelines.event_time import history, proofs, simulate


def create_simulation_pipeline() -> Pipeline:
    """Make the synthetic transactions; your own ones come by contract and conf instead."""
    return Pipeline(
        [
            node(
                simulate.simulate_transactions,
                "params:simulation",
                ["transactions", "labels"],
                name="simulate_transactions",
                tags="simulation",
            )
        ]
    )


def create_pipeline() -> Pipeline:
    """Accept both tables, compute what was known at each row's moment, cut by time."""
    tables = ["accepted_transactions", "accepted_labels"]
    return Pipeline(
        [
            node(
                model_table.quarantine_broken_rows,
                ["transactions", "transactions_contract", "params:quarantine"],
                ["accepted_transactions", "quarantine", "contract_report"],
                name="quarantine_broken_transactions",
                tags="features",
            ),
            node(
                history.quarantine_broken_labels,
                [
                    *("labels", "labels_contract", "accepted_transactions"),
                    *("params:features", "params:quarantine"),
                ],
                ["accepted_labels", "labels_quarantine", "labels_contract_report"],
                name="quarantine_broken_labels",
                tags="features",
            ),
            node(
                history.compose_contract,
                ["transactions_contract", "labels_contract", "params:features"],
                "contract",
                name="compose_contract",
                tags="features",
            ),
            node(
                history.compute_history,
                [*tables, "params:features", "params:split"],
                "accepted",
                name="compute_history",
                tags="features",
            ),
            node(
                proofs.travel_in_time,
                [*tables, "params:features", "params:time_travel"],
                "time_travel",
                name="travel_in_time",
                tags="features",
            ),
            node(
                model_table.build_model_table,
                ["accepted", "contract", "params:features", "params:split"],
                ["model_table", "features"],
                name="build_model_table",
                tags="features",
            ),
        ]
    )


def create_parity_pipeline() -> Pipeline:
    """Replay transactions through the online path and compare with the offline table."""
    return Pipeline(
        [
            node(
                proofs.replay_online,
                [
                    *("accepted_transactions", "accepted_labels", "accepted"),
                    *("params:features", "params:replay"),
                ],
                "online_parity",
                name="replay_online",
                tags="parity",
            )
        ]
    )
