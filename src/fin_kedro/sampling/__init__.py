"""Rows that nobody has ever had: the shape of a table learnt, and drawn from again."""
