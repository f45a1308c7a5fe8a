"""Every parameter of a workflow: its name, its type, what is allowed, and what it is for.

`docs/parameters.md` is written from here. A new parameter is a field here and a default in conf.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pydantic
from pydantic import Field

from fin_kedro.parameters.catboost_settings import Settings
from fin_kedro.parameters.split import EventTimeSplit, StaticSplit
from fin_kedro.parameters.values import (
    Count,
    Day,
    Named,
    NotNegative,
    PartShare,
    Positive,
    Section,
    Seed,
    Share,
    Text,
    Version,
    Word,
)
from fin_kedro.simulation.settings import Settings as World


class Features(Section):
    """What the model sees."""

    definitions: Named | None = Field(
        description="Derived features; null: the contract's columns only."
    )
    keep: list[Text] | None = Field(None, description="Columns kept to measure with; no feature.")


class EventTimeFeatures(Features):
    """What the model sees, and the history it rests on."""

    statistics: Named = Field(description="History, as integers, computed alike on any engine.")


class Imbalance(Section):
    """How rare bad rows are made to count."""

    methods: ClassVar[tuple[str, ...]] = ("none", "weights", "undersampling")

    method: Literal["none", "weights", "undersampling"] = Field(
        description="Weights on bad rows, or fewer good ones; calibration takes the shift out."
    )
    ratio: Positive | None = Field(None, description="Good rows for each bad one.")

    @pydantic.model_validator(mode="after")
    def _with_ratio(self) -> Imbalance:
        if self.method != "none" and self.ratio is None:
            raise ValueError("'ratio' is missing: good rows for each bad one, such as 20")
        return self


class CardImbalance(Imbalance):
    """How rare bad rows are made to count in a scorecard."""

    method: Literal["none", "undersampling"] = Field(
        description="Fewer good rows; the shift is taken out of the intercept."
    )


class Search(Section):
    """A random search for settings."""

    trials: int = Field(ge=0, description="How many settings are drawn; 0: no search.")
    folds: Count = Field(description="Folds of the training part; of weeks, the last ones.")
    metric: Literal["auc", "average_precision"] = Field("auc", description="What is best.")
    validation: Literal["folds", "prequential"] = Field(
        "folds", description="Folds by chance, or weeks that look forward."
    )
    train_days: Count | None = Field(None, description="Days a forward fold is trained on.")
    delay_days: int | None = Field(
        None, ge=0, description="Days left out, whose outcomes are not known yet."
    )
    test_days: Count | None = Field(None, description="Days a forward fold is judged on.")
    card: Text | None = Field(
        None, description="Column of who rows belong to: known ones leave the fold."
    )
    space: dict[Text, list[Any]] = Field(description="Values by name of a setting of CatBoost.")

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Search:
        if self.validation == "prequential":
            for name in ("train_days", "delay_days", "test_days"):
                if getattr(self, name) is None:
                    raise ValueError(f"validation is prequential, and {name!r} is missing")
        elif self.folds < 2:
            raise ValueError("'folds' is 1; folds by chance are at least 2")
        if empty := [name for name, values in self.space.items() if not values]:
            raise ValueError(f"space.{empty[0]} has no value; give at least one, or leave it out")
        return self


class Champion(Section):
    """The champion: CatBoost."""

    settings: Settings = Field(description="CatBoost's own.")
    held_out_share: PartShare = Field(
        description="Share of the training part kept for early stopping."
    )
    held_out: Literal["random", "latest"] | None = Field(
        None, description="Which rows those are; left out: by chance."
    )
    patience: Count = Field(description="Trees without gain until training stops.")
    when_missing: Literal["neutral", "as_trained"] | None = Field(
        None,
        description="A missing value under a sign: takes no side, or ranks lowest (CatBoost).",
    )
    seed: Seed = Field(description="Of the rows held out, of undersampling and of CatBoost.")
    imbalance: Imbalance | None = Field(None, description="How rare bad rows are made to count.")
    search: Search = Field(description="A search for settings.")

    @pydantic.model_validator(mode="after")
    def _space_of_settings(self) -> Champion:
        """Each value of the search is a setting that could stand alone."""
        given = self.settings.model_dump(exclude_unset=True)
        for name, values in self.search.space.items():
            for value in values:
                try:
                    Settings.model_validate({**given, name: value})
                except pydantic.ValidationError as error:
                    from fin_kedro.parameters.words import problem_words

                    _, said = problem_words(Settings, error.errors()[0])
                    between = " " if said.startswith("is ") else ": "
                    raise ValueError(f"search.space.{name}{between}{said}") from None
        return self


class Scorecard(Section):
    """The challenger: a card of points."""

    max_bins: int = Field(ge=2, description="Most bins of a feature; few are easy to read.")
    min_share: float = Field(gt=0, le=0.5, description="Of the training rows, in each bin.")
    min_information_value: NotNegative = Field(description="Below it a feature is left out.")
    inverse_penalty: Positive = Field(
        description="Small: weight is shared among features that say the same."
    )
    points_to_double_odds: Positive = Field(description="Points that double the odds.")
    base_points: float = Field(description="Points at the base odds.")
    base_odds: Positive = Field(description="Good to bad, at base_points.")
    imbalance: CardImbalance | None = Field(None, description="How rare bad rows count.")
    seed: Seed = Field(0, description="Of the draw of good rows.")


class Costs(Section):
    """What the four outcomes of a decision earn; a loss is negative."""

    approve_good: float = Field(description="Profit of a good one accepted.")
    approve_bad: float = Field(description="Profit of a bad one accepted, negative.")
    decline_good: float = Field(description="Profit of a good one refused.")
    decline_bad: float = Field(description="Profit of a bad one refused.")

    @pydantic.model_validator(mode="after")
    def _both_decisions_can_be_best(self) -> Costs:
        for more, less in (("approve_good", "decline_good"), ("decline_bad", "approve_bad")):
            if not getattr(self, more) > getattr(self, less):
                raise ValueError(
                    f"{more} {getattr(self, more):g} must be above {less} "
                    f"{getattr(self, less):g}, else one decision is always best; "
                    "a loss is negative"
                )
        return self


class Decision(Section):
    """How a probability becomes a decision."""

    model: Literal["champion", "scorecard"] = Field(description="Which model decides.")
    reasons: Count = Field(description="How many reasons a decision gives, at most.")
    costs: Costs = Field(description="Profit of each outcome; the threshold follows from them.")
    words: dict[Word, Text] | None = Field(
        None, description="How the service calls rows, the bad outcome and its two answers."
    )


class Report(Section):
    """The validation report."""

    notebook: Text = Field(description="The notebook that is executed.")
    seed: Seed = Field(description="Of its bootstrap.")
    timeout: Count = Field(description="Seconds for one cell.")
    bootstrap_replicates: Count = Field(description="Draws behind each interval of the report.")
    as_of: Day | None = Field(None, description="DAT-FRESH counts from this day; null: not asked.")


class Batch(Section):
    """Scoring of all accepted rows."""

    model: Literal["approved", "candidate"] = Field(
        description="Candidate: try one on the past before anybody approves it."
    )
    version: Version | None = Field(description="Null: the newest one.")


class Release(Section):
    """The service of an approved model."""

    workflow: Text = Field(description="The workflow itself.")
    version: Version | None = Field(description="Null: the newest approved one.")
    ledger: Text = Field(description="File of the ledger.")
    service: Text = Field(description="Folder of the service of the kind.")
    output: Text = Field(description="Folder that bentos are written to.")
    lock: Text = Field(description="The locked requirements of the service.")


class Bootstrap(Section):
    """Intervals of the metrics."""

    replicates: Count = Field(description="Draws behind each interval.")
    seed: Seed = Field(description="Of the draws.")


class Explain(Section):
    """Contributions of features."""

    rows: Count | None = Field(description="Rows explained at most; null: every test row.")
    seed: Seed = Field(description="Of the draw of rows.")


class DeskCosts(Section):
    """Costs of a fraud desk."""

    missed_fraud_share_of_amount: NotNegative = Field(
        description="Share of the amount that a missed fraud costs."
    )
    review: NotNegative = Field(description="Cents for the minutes of an investigator.")
    friction: NotNegative = Field(description="Cents for a genuine purchase that is stopped.")


class Detection(Section):
    """What a fraud desk asks."""

    cards: Text = Field(description="Column of who rows belong to.")
    time: Text = Field(description="Column of the moment, in microseconds UTC.")
    amount: Text = Field(description="Column of the amount, in cents.")
    kind: Text | None = Field(None, description="Column of the kind of fraud, where known.")
    k: Count = Field(description="Cards that the desk can call in a day.")
    false_positive_rate: Share = Field(description="Genuine ones that may be stopped.")
    costs: DeskCosts = Field(description="What alarms and missed frauds cost.")


class Simulation(Section):
    """The simulated world; only the pipeline `<workflow>_simulation` reads it."""

    source: Literal["rules", "published"] = Field(
        "rules", description="Published: the Handbook's own transactions, drawn again."
    )
    seed: Seed = Field(description="The same one gives the same world.")
    settings: World = Field(description="The rules; see notebooks/simulation/settings.ipynb.")


class TimeTravel(Section):
    """The proof that no feature saw the future."""

    days: list[Day] = Field(min_length=1, description="Days with whose beginning time stops.")


class Replay(Section):
    """The proof that the online path gives the offline numbers."""

    start: Day = Field(alias="from", description="First day replayed; earlier ones warm the store.")
    rows: Count = Field(description="Most transactions replayed.")
    stores: list[Text] = Field(min_length=1, description="Addresses of stores, as online.store.")


class StoreOptions(Section):
    """Options of the store of live features."""

    sync: Literal["os", "always"] = Field("os", description="Always survives a power cut, too.")
    segment_bytes: Count | None = Field(None, description="Size at which a log begins a file.")
    prefix: Text | None = Field(None, description="Of keys in Redis.")
    timeout: Positive | None = Field(None, description="Seconds to wait for Redis.")
    lateness_us: int | None = Field(None, ge=0, description="How late an event still counts.")
    ahead_us: int | None = Field(None, ge=0, description="How far ahead of the newest one may be.")


class Topics(Section):
    """Topics of the stream."""

    transactions: Text = Field(description="Topic of transactions.")
    labels: Text = Field(description="Topic of labels.")


class DeadLetters(Section):
    """Where broken messages go: a topic or a file."""

    topic: Text | None = Field(None, description="A topic.")
    file: Text | None = Field(None, description="A file of JSON lines.")


class Stream(Section):
    """The stream of transactions and labels (Kafka)."""

    servers: Text = Field(description="Brokers.")
    topics: Topics | None = Field(None, description="Needed by `kedro state consume`.")
    dead_letters: DeadLetters = Field(description="Where broken messages go.")
    group: Text = Field("fin_kedro", description="Name of the group of consumers.")
    share: bool = Field(False, description="The consumers of the group share the partitions.")
    batch: Count = Field(500, description="Events in one commit, at most.")
    poll_seconds: Positive = Field(0.2, description="How long to wait for a message.")
    connect_seconds: Positive = Field(10.0, description="How long to wait for the broker.")
    report_seconds: Positive = Field(60.0, description="Time between two lines of progress.")
    mirror_offsets: bool = Field(True, description="Tell the group how far the store is.")
    properties: dict[Text, str | int | float | bool] = Field(
        {}, description="Any property of librdkafka."
    )


class Online(Section):
    """The state of live features."""

    store: Text | None = Field(
        None, description="memory:, log:FOLDER or redis://HOST:PORT/DB; null: no state is kept."
    )
    store_options: StoreOptions | None = Field(None, description="Options of that store.")
    store_credentials: Text | None = Field(None, description="Entry of credentials.yml.")
    stream: Stream | None = Field(None, description="Where events come from.")
    stream_credentials: Text | None = Field(None, description="Entry of credentials.yml.")


class WorkflowParameters(Section):
    """What every workflow has."""

    features: Features
    champion: Champion
    scorecard: Scorecard
    decision: Decision
    bootstrap: Bootstrap
    explain: Explain
    detection: Detection | None
    report: Report
    batch: Batch
    release: Release


class StaticParameters(WorkflowParameters):
    """A workflow of the kind static."""

    split: StaticSplit


class EventTimeParameters(WorkflowParameters):
    """A workflow of the kind event_time."""

    features: EventTimeFeatures
    split: EventTimeSplit
    time_travel: TimeTravel
    replay: Replay
    online: Online
    simulation: Simulation | None = None


KINDS: dict[str, type[WorkflowParameters]] = {
    "static": StaticParameters,
    "event_time": EventTimeParameters,
}
