"""Serving: an approved package becomes decisions, in a process and over HTTP."""
