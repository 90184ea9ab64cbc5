"""case-exchange/1: how departments with own systems, and levels of government, tell each other of cases."""
