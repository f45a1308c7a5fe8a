"""Governance: what is registered, who approved it, and the sealed package that is released."""
