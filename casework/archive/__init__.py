"""Archives of closed cases: what belongs in one, and its record (CERT-04)."""
