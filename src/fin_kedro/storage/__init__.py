"""How data lies on disk: whole versions, canonical hashes, datasets, spill."""
