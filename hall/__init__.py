"""The public hall: guides and progress, for people who have no account. Never a secret item, never a name."""
