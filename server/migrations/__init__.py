"""Migrations of every package's tables, in order. Additive; `python -m tools.migrations NAME` writes the next one."""
