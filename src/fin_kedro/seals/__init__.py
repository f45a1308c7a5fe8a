"""What a run saw: its seal made, read, checked and exported."""
