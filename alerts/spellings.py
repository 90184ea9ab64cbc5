"""Whose a receipt is that names its message in another way than the carrier's answer did. Pure.

Carriers answer in hexadecimal and report in decimal, or the reverse; case and leading zeros vary (sms.receipts has the
ways to write one id). A receipt that names the phone is believed in any spelling, together with it. One that names no
person's phone is believed in the spelling of the answer; in another one only when the number is too great to be met by
chance and a single text of that carrier can be meant, because "10" is also "16" and "a".
Limits: a carrier of the second kind that counts from 1 needs its setting (receipt_ids).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from kernel.db import Row, instant_of

#: Two numbers below this may be two texts of one day, read in two ways. Above it the readings are ten times apart.
_TELLING = 1_000_000

#: Parts without a receipt, oldest first, by carrier and id. Several: a carrier that divides by itself has one id for
#: all parts of a text, and ids are used again.
Outstanding = Mapping[tuple[str, str], Sequence[Row]]


def whose(
    forms: Sequence[str], parts: Outstanding, *, carrier: str, phone: str, is_a_phone: bool, before: datetime
) -> list[Row]:
    """The parts of the one text that the receipt is about, or none. `forms`: the ways to write its id, as stated first.

    `phone` is what it says of the phone, and `is_a_phone` whether that is a person's. `before`: nothing that was
    submitted later is meant.
    """
    found = [
        [
            part
            for part in parts.get((carrier, form), ())
            if instant_of(part["submitted_at"]) <= before and (not is_a_phone or part["to_phone"] == phone)
        ]
        for form in forms
    ]
    if is_a_phone or (found and found[0]):
        return _newest(next(filter(None, found), []))
    meant = [part for each in found[1:] for part in each]
    is_one = len({part["message_id"] for part in meant}) == 1
    return meant if is_one and _is_telling(forms[0]) else []


def _newest(parts: Sequence[Row]) -> list[Row]:
    return [part for part in parts if part["message_id"] == parts[-1]["message_id"]]


def _is_telling(stated: str) -> bool:
    return int(stated, 10 if stated.isdecimal() else 16) >= _TELLING
