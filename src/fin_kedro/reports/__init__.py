"""Notebooks executed into evidence: execution, screening, record, HTML."""
