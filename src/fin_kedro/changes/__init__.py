"""What differs between two runs, and what is stale."""
