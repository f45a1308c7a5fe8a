"""Errors of an execution that did not begin; papermill's command prints each as one line."""

from __future__ import annotations

import click
from papermill.exceptions import PapermillException


class _Sentence(PapermillException, click.ClickException):
    """An error of papermill whose words click prints without a traceback."""

    def __init__(self, message: str) -> None:
        click.ClickException.__init__(self, message)


class Refused(_Sentence):
    """Nothing was executed: parameters, their values or the order of the cells are not sound."""


class KernelRefused(_Sentence):
    """The kernel would not begin; its own words say why."""
