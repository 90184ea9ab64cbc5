"""Counting the codes that carriers answer, in a bounded space: a peer that invents a new one each time fills nothing.

The first codes that come keep their names, what comes beyond them is counted together. A contract's list has a dozen.
"""

from collections import Counter

#: Of one carrier, or of one of its connections.
MOST_CODES = 64
#: What all codes beyond them are counted as.
OTHERS = "other"
#: No code of any list is longer; the door of an HTTP carrier lets thousands of octets in.
_LONGEST = 40


def tally(counts: Counter[str], code: str) -> None:
    """Counts `code` once, under its own name while there is room."""
    name = code[:_LONGEST]
    counts[name if name in counts or len(counts) < MOST_CODES else OTHERS] += 1
