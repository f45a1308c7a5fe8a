"""`kedro state`: fill, feed, look into, save and restore the state that online features rest on."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fin_kedro.project.commands import env_choice, plain_errors, project_folder

if TYPE_CHECKING:
    from fin_kedro.features.windows import EventFeatures
    from fin_kedro.online import FeatureStore
    from fin_kedro.online.kafka import StreamSettings

__all__ = ["state_group"]


@click.group(name="state")
def state_group() -> None:
    """Fill, read, save and restore the store of live features."""


@state_group.command()
@click.argument("workflow")
@env_choice
@plain_errors
def warm(workflow: str, env: str | None) -> None:
    """Fill the store of WORKFLOW from the history in the catalog."""
    from fin_kedro.online.warming import recent_history
    from fin_kedro.project.summary import env_option

    wiring = _Wiring(workflow, env)
    features = wiring.features
    transactions, labels = (wiring.load(f"accepted_{name}") for name in ("transactions", "labels"))
    with wiring.open_store() as store:
        lateness = store.plan.lateness
        frames = recent_history(features, transactions, labels, lateness_us=lateness)
        store.warm_start(*frames)
        counted = f"{len(frames[0])} transactions and {len(frames[1])} labels"
    days = _days(features.horizon_us + lateness)
    click.echo(f"{workflow}: {counted} of the last {days} days are in {wiring.url}")
    click.echo(f"Next: kedro state consume {workflow}{env_option(env)}")


@state_group.command()
@click.argument("workflow")
@click.option("--until-end", is_flag=True, help="end where the topics ended at the start")
@click.option(
    "--from-beginning",
    is_flag=True,
    help="read all that the broker has; what is known already changes nothing",
)
@click.option("--servers", default=None, help="brokers, instead of those in conf")
@env_choice
@plain_errors
def consume(
    workflow: str, until_end: bool, from_beginning: bool, servers: str | None, env: str | None
) -> None:
    """Apply the stream to the store of WORKFLOW.

    The stream brings transactions and labels; the command ends on Ctrl-C or SIGTERM.
    """
    from fin_kedro.online.consumer import StreamConsumer

    wiring = _Wiring(workflow, env)
    settings = wiring.stream_settings(servers)
    with wiring.open_store() as store:
        consumer = StreamConsumer(
            store=store,
            settings=settings,
            features=wiring.features,
            transactions=wiring.load("transactions_contract"),
            labels=wiring.load("labels_contract"),
            report=click.echo,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: consumer.stop())
        consumer.run(until_end=until_end, from_beginning=from_beginning)


@state_group.command()
@click.argument("workflow")
@env_choice
@plain_errors
def show(workflow: str, env: str | None) -> None:
    """Say as JSON what the store of WORKFLOW holds.

    That is counts, how far back it reaches, and up to where it has read the stream.
    """
    from fin_kedro.online.marks import only_offsets

    wiring = _Wiring(workflow, env)
    with wiring.open_store() as store:
        offsets: dict[str, dict[str, int]] = {}
        for (topic, partition), at in sorted(only_offsets(store.offsets()).items()):
            offsets.setdefault(topic, {})[str(partition)] = at
        shown = {
            "store": wiring.url,
            **(counts := store.statistics()),
            "newest": _moment(counts["newest_us"]),
            "horizon_days": _days(wiring.features.horizon_us),
            "offsets": offsets,
        }
    click.echo(json.dumps(shown, indent=2))


@state_group.command()
@click.argument("workflow")
@click.option(
    "--file",
    "file",
    type=click.File("rb"),
    help="JSON of one transaction, - for standard input; else the contract's example",
)
@env_choice
@plain_errors
def lookup(workflow: str, file: Any, env: str | None) -> None:
    """Show the features of one transaction as JSON.

    The store stays as it is.
    """
    from fin_kedro.online.messages import MessageReader

    wiring = _Wiring(workflow, env)
    contract = wiring.load("transactions_contract")
    reader = MessageReader(kind="transaction", contract=contract)
    example = {name: column.example for name, column in contract.columns.items()}
    row = reader.read(file.read() if file else json.dumps(example).encode())
    with wiring.open_store() as store:
        click.echo(json.dumps(store.lookup(row), indent=2))


@state_group.command()
@click.argument("workflow")
@click.argument("path", type=click.Path(path_type=Path))
@env_choice
@plain_errors
def snapshot(workflow: str, path: Path, env: str | None) -> None:
    """Save the store of WORKFLOW to the new file PATH.

    The offsets of the stream are saved with it.
    """
    if path.exists():
        raise ValueError(f"{path} exists already; name a new file.")
    with _Wiring(workflow, env).open_store() as store:
        store.snapshot(path)
    click.echo(f"{path} holds the state of {workflow}")


@state_group.command()
@click.argument("workflow")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@env_choice
@plain_errors
def restore(workflow: str, path: Path, env: str | None) -> None:
    """Fill the empty store of WORKFLOW from a snapshot.

    The stream goes on at the offsets of the snapshot.
    """
    with _Wiring(workflow, env).open_store() as store:
        store.restore(path)
    click.echo(f"{workflow} is as it was in {path}")


class _Wiring:
    """What the conf of one workflow says about its online state."""

    def __init__(self, workflow: str, env: str | None) -> None:
        from fin_kedro.project.config import project_config

        self.workflow, self.env = workflow, env
        self.project = project_folder()
        self.config = project_config(self.project, env)
        parameters = self.config["parameters"]
        known = [w.name for w in self.config.workflows if "online" in parameters[w.name]]
        if workflow not in known:
            raise ValueError(
                f"workflow {workflow!r} keeps no state online: its parameters have no section "
                f"'online'. Those that do: {', '.join(known) or 'none'}."
            )
        self.parameters = parameters[workflow]

    @property
    def url(self) -> str:
        """The store's address."""
        return str(self._needed("online", "store"))

    @property
    def features(self) -> EventFeatures:
        """The specification of the statistics."""
        from fin_kedro.contracts.naming import named_object
        from fin_kedro.features.windows import EventFeatures

        return named_object(
            str(self._needed("features", "statistics")),
            EventFeatures,
            setting=f"{self.workflow}.features.statistics",
            example="fin_kedro.features.fraud_statistics:fraud_statistics",
        )

    def open_store(self) -> FeatureStore:
        """Open the store with ``online.store_options`` and ``online.store_credentials``."""
        from fin_kedro.online import open_store

        options = self.parameters["online"].get("store_options") or {}
        secrets = self._credentials("store_credentials")
        return open_store(self.url, self.features, **{**options, **secrets})

    def stream_settings(self, servers: str | None) -> StreamSettings:
        """The stream's settings, checked; secrets are added to librdkafka's properties."""
        from fin_kedro.online.kafka import stream_settings

        given = dict(self._needed("online", "stream"))
        secrets = self._credentials("stream_credentials")
        given["properties"] = {**(given.get("properties") or {}), **secrets}
        if servers:
            given["servers"] = servers
        return stream_settings(given, f"{self.workflow}.online.stream")

    def load(self, name: str) -> Any:
        """Load a dataset of the workflow from the catalog."""
        from fin_kedro.project.evidence import open_catalog

        catalog = open_catalog(project_path=self.project, env=self.env or "base")
        return catalog.load(f"{self.workflow}.{name}")

    def _needed(self, section: str, name: str) -> Any:
        found = self.parameters.get(section, {}).get(name)
        if not found:
            raise ValueError(
                f"parameter {self.workflow}.{section}.{name} is not set; "
                f"conf/{self.env or 'base'}/parameters_{self.workflow}.yml is the place for it."
            )
        return found

    def _credentials(self, name: str) -> dict[str, Any]:
        """The entry of credentials.yml that the parameter names; nothing where it names none."""
        entry = self.parameters["online"].get(name)
        if not entry:
            return {}
        from kedro.config import MissingConfigException

        try:
            found = self.config["credentials"]
        except MissingConfigException:
            found = {}
        if entry not in found:
            raise ValueError(
                f"{self.workflow}.online.{name} names the credentials {entry!r}; add them to "
                f"conf/{self.env or 'local'}/credentials.yml. "
                f"There are: {', '.join(found) or 'none'}."
            )
        return dict(found[entry])


def _days(microseconds: int) -> float:
    """A span in days; 30, not 30.0, where it is whole."""
    days = microseconds / 86_400_000_000
    return int(days) if days.is_integer() else round(days, 3)


def _moment(microseconds: int) -> str | None:
    """A moment as people write it, or None where nothing has come yet."""
    if not microseconds:
        return None
    return f"{datetime.fromtimestamp(microseconds // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
