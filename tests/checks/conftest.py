"""Hypothesis without deadlines: this machine's load is no property of a statistic."""

from hypothesis import settings

settings.register_profile("statistics", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("statistics")
