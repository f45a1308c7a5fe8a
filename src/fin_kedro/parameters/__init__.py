"""Every parameter by a schema: what is allowed, in words, and what is refused with its place."""
