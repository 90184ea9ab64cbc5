"""Who must be told what, in which words, and the queue that makes sure of it."""
