"""What each side's ledger of a day says, and where two of them differ. Pure.

A day is the sender's: of each lane and epoch the numbers from behind the day before's to the last given before
midnight in China. The receiver answers for the same numbers, whenever it applied them, so that two equal ledgers are
equal to the octet and not about equal. Every parcel leaves a mark, the beginning of its content identity: by marks a
difference is named, by the digest over the whole identities it is proved that there is none.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ferry.lanes import Lane
from ferry.parcel import Number

#: Characters of a mark, and that of a number this side does not know.
MARK = 8
GONE = "-" * MARK
#: Parcels of one stretch, stretches of one record: 40 KiB of at most 64.
PER_STRETCH, PER_PART = 1000, 4
_KINDS = 64
#: A number that was given up with its epoch, and whose records went on under others, has a mark of other letters.
_TO_VOID = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
_FROM_VOID = str.maketrans("ghijklmnopqrstuv", "0123456789abcdef")

#: The last field of a record, whose fields are in alphabetical order.
_TYPE = re.compile(rb'"type":"([a-z0-9][a-z0-9._-]{0,63})"\}\n')

Epoch = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z", max_length=32)]
_Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", max_length=64)]
_Sort = Annotated[str, Meta(max_length=64)]
_Code = Annotated[str, Meta(pattern=r"\A[A-Z0-9_]{1,40}\Z", max_length=40)]


class Stretch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Consecutive numbers of a lane. `sorts`: records by type; `octets`: before compression.

    `refused`: records that could not be applied, by code: what the sender was told, or what the receiver did.
    """

    lane: Lane
    epoch: Epoch
    first: Number
    last: Number
    parcels: Number
    records: Number
    octets: Number
    sorts: Annotated[dict[_Sort, Number], Meta(max_length=_KINDS)]
    digest: _Digest
    marks: Annotated[str, Meta(pattern=r"\A[0-9a-v-]*\Z", max_length=MARK * PER_STRETCH)]
    refused: Annotated[dict[_Code, Number], Meta(max_length=_KINDS)] = {}

    @property
    def is_sound(self) -> bool:
        """Whether it has a mark for each of its numbers, and no more of them than a stretch holds."""
        return 0 <= self.last - self.first < PER_STRETCH and len(self.marks) == MARK * (self.last - self.first + 1)


class Account(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One side's ledger of a day. `aside`: what was never numbered, or never applied, on that day."""

    stretches: tuple[Stretch, ...] = ()
    aside: dict[str, int] = {}


class LedgerPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As much of an account as one record holds. `stamp`: of accounts of one day the greatest counts."""

    account: Annotated[str, Meta(pattern=r"\A(sent|taken)\Z", max_length=5)]
    day: date
    stamp: Number
    part: Annotated[int, Meta(ge=1, le=1000)]
    parts: Annotated[int, Meta(ge=1, le=1000)]
    stretches: Annotated[tuple[Stretch, ...], Meta(max_length=PER_PART)]
    aside: Annotated[dict[_Sort, Number], Meta(max_length=8)]


class Kind(StrEnum):
    MISSING = "missing"  # sent, and not applied
    EXTRA = "extra"  # applied, and the sender does not know it
    OTHER = "other"  # another content under the number
    TOTALS = "totals"  # every mark agrees, and what is counted does not
    UNTOLD = "untold"  # records were refused, and their source does not know
    UNHEARD = "unheard"  # no ledger of the other side


#: What time cannot mend.
AT_ONCE = frozenset({Kind.OTHER, Kind.TOTALS})


class Difference(Struct, frozen=True, kw_only=True):
    """`lane` empty: the whole day. Numbers inclusive."""

    kind: Kind
    lane: str = ""
    epoch: str = ""
    first: int = 0
    last: int = 0


def sorts_of(lines: bytes) -> str:
    """How many records of each type there are in these lines, as JSON. What is no record of ours counts as `?`."""
    counted = Counter(_TYPE.findall(lines))
    other = lines.count(b"\n") - counted.total()
    sorts = {name.decode(): count for name, count in counted.items()} | ({"?": other} if other else {})
    return msgspec.json.encode(sorts, order="sorted").decode()


def mark_of(content_id: str, *, is_void: bool) -> str:
    return content_id[:MARK].translate(_TO_VOID) if is_void else content_id[:MARK]


def marked(each: Stretch) -> Iterator[tuple[int, str]]:
    """Its numbers with their marks."""
    for place in range(each.last - each.first + 1):
        yield each.first + place, each.marks[place * MARK : (place + 1) * MARK]


def is_void(mark: str) -> bool:
    return "g" <= mark[0] <= "v"


def digest_of(account: Account) -> str:
    return hashlib.sha256(msgspec.json.encode(account, order="sorted")).hexdigest()


def compared(sent: Account, taken: Account) -> list[Difference]:
    """Where the receiver's ledger is not the sender's, in order."""
    theirs = dict(_marks(taken))
    found: dict[tuple[Kind, str, str], list[int]] = {}
    for (lane, epoch, seq), mark in _marks(sent):
        here = theirs.pop((lane, epoch, seq), GONE)
        kind = _judged(mark, here)
        if kind is not None:
            found.setdefault((kind, lane, epoch), []).append(seq)
    for (lane, epoch, seq), mark in theirs.items():
        if mark != GONE:
            found.setdefault((Kind.EXTRA, lane, epoch), []).append(seq)
    named = [
        Difference(kind=kind, lane=lane, epoch=epoch, first=first, last=last)
        for (kind, lane, epoch), numbers in found.items()
        for first, last in _ranges(sorted(numbers))
    ]
    return named or _uncounted(sent, taken)


def missing_of(numbers: Mapping[tuple[str, str], Sequence[int]]) -> list[Difference]:
    """Numbers by lane and epoch as differences."""
    return [
        Difference(kind=Kind.MISSING, lane=lane, epoch=epoch, first=first, last=last)
        for (lane, epoch), known in numbers.items()
        for first, last in _ranges(sorted(known))
    ]


# ------------------------------------------------------------------------------------------------------------ below


def _marks(account: Account) -> Iterator[tuple[tuple[str, str, int], str]]:
    for each in account.stretches:
        for seq, mark in marked(each):
            yield (each.lane, each.epoch, seq), mark


def _judged(sent: str, taken: str) -> Kind | None:
    if is_void(sent):
        # It may have arrived before it was given up.
        return None if taken == GONE or taken.translate(_FROM_VOID) == sent.translate(_FROM_VOID) else Kind.OTHER
    if taken == GONE:
        return Kind.MISSING
    if sent == GONE:
        return Kind.EXTRA
    return None if sent == taken else Kind.OTHER


def _uncounted(sent: Account, taken: Account) -> list[Difference]:
    """Where every mark agrees: what else the same numbers were counted as."""
    theirs = {_place(each): each for each in taken.stretches}
    found = []
    for each in sent.stretches:
        here = theirs.get(_place(each))
        if here is None:
            continue
        kind = None
        if _counts(each, here) != _counts(here, each):
            kind = Kind.TOTALS
        # Records that went on under other numbers took what was told of them along.
        elif not any(is_void(mark) for _, mark in marked(each)) and sum(here.refused.values()) > sum(
            each.refused.values()
        ):
            kind = Kind.UNTOLD
        if kind is not None:
            found.append(Difference(kind=kind, lane=each.lane, epoch=each.epoch, first=each.first, last=each.last))
    return found


def _place(each: Stretch) -> tuple[str, str, int, int]:
    return each.lane, each.epoch, each.first, each.last


def _counts(each: Stretch, other: Stretch) -> tuple[object, ...]:
    counted = each.digest, each.parcels, each.records
    # Parcels from before this was counted say nothing of it.
    is_full = all(sum(one.sorts.values()) == one.records for one in (each, other))
    return (*counted, each.octets, each.sorts) if is_full else counted


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for seq in numbers:
        if found and seq == found[-1][1] + 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return found
