"""Execution of validation notebooks, their evidence and their reports."""
