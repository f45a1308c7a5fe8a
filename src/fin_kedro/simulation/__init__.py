"""Synthetic data, born in notebooks: what stands in for transactions nobody may share."""
