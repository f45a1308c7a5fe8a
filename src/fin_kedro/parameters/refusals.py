"""Refusals of conf; apart from the schema, which is imported when a conf is checked."""

from __future__ import annotations


class ParameterError(ValueError):
    """A parameter is unknown or out of range: which, where it stands, and what is allowed."""
