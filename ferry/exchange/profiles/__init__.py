"""Older standards as tables: which of their columns is which of ours, and what has no counterpart."""
