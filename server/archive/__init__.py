"""Archive packages: made from closed cases with their signatures, written to a file, checked offline (CERT-04)."""
