"""The two zones of an isolated network: acts, states and texts as records between them."""
