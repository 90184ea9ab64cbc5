"""China Mobile's message access servers: the cloud MAS by HTTP."""
