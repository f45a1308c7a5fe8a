"""CatBoost's own settings: its names and its own judgement of their values."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import pydantic
from pydantic import Field

from fin_kedro.parameters.values import Count, NotNegative, Section

# CatBoost knows these, and here something else sets them: what to use instead.
_ELSEWHERE = {
    **dict.fromkeys(("random_seed", "random_state"), "the parameter champion.seed sets it"),
    **dict.fromkeys(
        ("early_stopping_rounds", "od_type", "od_wait", "od_pval", "use_best_model"),
        "the parameter champion.patience says when training stops",
    ),
    "monotone_constraints": "the contract says it: expectedSign of a column",
    **dict.fromkeys(
        ("cat_features", "text_features", "embedding_features", "ignored_features"),
        "the contract and the feature definitions say what a column is",
    ),
    **dict.fromkeys(
        ("loss_function", "objective", "classes_count", "class_names"),
        "the champion gives the probability of one outcome out of two (Logloss)",
    ),
    **dict.fromkeys(
        (
            *("allow_writing_files", "train_dir", "verbose", "verbose_eval", "logging_level"),
            *("silent", "metric_period", "snapshot_file", "snapshot_interval", "save_snapshot"),
        ),
        "a training shows one bar and writes no files of its own",
    ),
    # Two names for one setting would meet the one in conf/base.
    **dict.fromkeys(("n_estimators", "num_boost_round", "num_trees"), "write iterations"),
    "eta": "write learning_rate",
    "max_depth": "write depth",
    "reg_lambda": "write l2_leaf_reg",
}


class Settings(Section):
    """Settings of CatBoost that conf uses; any other of CatBoost's may be added.

    Those declared here are judged without importing CatBoost, which takes half a second; others
    by CatBoost itself.
    """

    model_config = pydantic.ConfigDict(extra="allow")

    iterations: Count = Field(description="Most trees; early stopping finds how many are used.")
    learning_rate: float | None = Field(
        None, gt=0, le=1, description="Size of a step; left out, CatBoost chooses it by the rows."
    )
    depth: int = Field(6, ge=1, le=16, description="Depth of each tree.")
    l2_leaf_reg: NotNegative = Field(3, description="Penalty on large values of leaves.")
    subsample: float | None = Field(
        None, gt=0, le=1, description="Share of the rows that each tree is grown on."
    )
    bootstrap_type: Literal["Bayesian", "Bernoulli", "MVS", "No"] = Field(
        "MVS", description="How the rows of a tree are drawn."
    )
    thread_count: Count = Field(
        description="Threads; a constant, as another count could flip near-tie splits."
    )
    one_hot_max_size: int | None = Field(
        None,
        ge=0,
        description="Up to so many categories are one-hot; more get target statistics.",
    )
    max_ctr_complexity: Literal[1] = Field(
        1, description="Categories are not combined: a combination has no ONNX form."
    )

    @pydantic.model_validator(mode="after")
    def _known_to_catboost(self) -> Settings:
        """What is not declared here is asked of CatBoost."""
        if self.model_extra:
            for name in self.model_extra:
                _refuse_name(name)
            given = {**self.model_dump(exclude_unset=True, exclude={"iterations"})}
            if (said := _refusal(given)) is not None:
                named = ", ".join(f"{n} {v!r}" for n, v in self.model_extra.items())
                raise ValueError(f"CatBoost refuses {named}: {said}")
        return self


def _refuse_name(name: str) -> None:
    """ValueError where a name is none of CatBoost's, or would be overruled."""
    if name in _ELSEWHERE:
        raise ValueError(f"{name!r} has no place here: {_ELSEWHERE[name]}")
    allowed = sorted(catboost_names() - _ELSEWHERE.keys())
    if name not in allowed:
        near = difflib.get_close_matches(str(name), allowed, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(
            f"{name!r} is no setting of CatBoost{hint} Allowed: "
            f"{', '.join(Settings.model_fields)}, and any other training parameter of "
            "CatBoostClassifier"
        )


@cache
def catboost_names() -> frozenset[str]:
    """All that CatBoost's classifier takes."""
    from catboost import CatBoostClassifier

    return frozenset(inspect.signature(CatBoostClassifier.__init__).parameters) - {"self"}


def _refusal(settings: Mapping[str, Any]) -> str | None:
    """What CatBoost says against settings; None where it accepts them."""
    # what its `fit` asks before it trains
    from catboost import CatBoostError, _catboost
    from catboost.core import _process_synonyms

    plain = {"loss_function": "Logloss", **settings}
    try:
        _process_synonyms(plain)
        _catboost._check_train_params(plain)
    except CatBoostError as error:
        return re.sub(r"^\S+\.cpp:\d+: ", "", str(error)).strip().rstrip(".")
    return None
