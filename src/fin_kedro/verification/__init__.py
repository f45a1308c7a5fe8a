"""A sealed run executed again from its seal: the world, the comparison, the grade, the cause."""
