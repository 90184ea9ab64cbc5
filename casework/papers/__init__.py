"""Statutory documents: wording, numbering, seals (INT-15, FLOW-12)."""
