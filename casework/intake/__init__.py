"""Receipt and acceptance, and cases of departments' own systems (INT)."""
