"""The story of one county, told by real phones over the real doors, on a clock that can be moved."""
