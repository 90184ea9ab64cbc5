"""Acts in, events out: the office every door goes through. Imports nothing of ours."""
