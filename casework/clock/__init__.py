"""Legal time: working days, limits, the ledger of a case's clock, the calendar (CLK)."""
