"""Sealed texts as files that a stranger can check: gathered from our books, written as a ZIP, verified offline."""
