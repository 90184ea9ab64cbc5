"""Granted licences, their library and reuse (CERT)."""
