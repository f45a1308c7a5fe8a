"""Feature definitions, born in notebooks: one Ibis expression per feature."""
