"""What stands between two networks, played in memory: for tests, the demo and drills."""
