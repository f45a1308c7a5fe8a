"""Notebooks into modules, and back."""
