"""What the databases of on-premise MAS have in common: texts are rows we insert, receipts and answers rows we remove.

The MAS machine empties one table and fills the others; nothing else passes between us. A dialect (emas.py, jasson.py)
says which tables, in statements and rows; database.py keeps the connections. Pure.
Every column is asked for as text, and what people wrote as the hexadecimal of its octets, so that neither the
connection's character set nor the driver's has a say in it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from alerts.settling import Heard
from sms.carriers import MobileText
from sms.statuses import Fault
from sms.text import Part


class Statement(Struct, frozen=True):
    """`values` take the places of the question marks, apart from the text: nothing is ever quoted."""

    sql: str
    values: tuple[str | int, ...] = ()


#: The key of the row comes first where it has one, as its column is; the rest is text.
Row = Sequence[str | int | None]


class Placement(Struct, frozen=True, kw_only=True):
    """A text as it is put into the outbox. `id` is ours, and the machine repeats it in the receipt."""

    id: str
    phone: str
    words: str
    extension: str = ""
    parts: int = 1


class Report(Struct, frozen=True):
    """A receipt. `fault` None: delivered."""

    heard: Heard
    fault: Fault | None


class Saying(Struct, frozen=True):
    """A text from a person. `identity` is all of its row but the key, which another row may have later.

    `is_dated`: the second at which it was sent is in it.
    """

    part: Part
    identity: bytes
    is_dated: bool


class Pile(Struct, frozen=True, kw_only=True):
    """A table the machine fills and we empty. `columns` stand behind the key; `only` says which rows are ours."""

    table: str
    key: str
    columns: tuple[str, ...]
    only: str = "1 = 1"
    values: tuple[str | int, ...] = ()
    order: str

    def take(self, most: int) -> Statement:
        columns = ", ".join((self.key, *self.columns))
        sql = f"SELECT {columns} FROM {self.table} WHERE {self.only} ORDER BY {self.order} LIMIT ?"
        return Statement(sql, (*self.values, most))

    def forget(self, keys: Sequence[str | int]) -> Statement:
        return Statement(f"DELETE FROM {self.table} WHERE {self.key} IN ({marks(len(keys))})", tuple(keys))


class Interface(Protocol):
    """One account at one MAS machine."""

    #: By which two of our processes at one account know each other.
    account: str
    reports: Pile
    sayings: Pile
    #: What is to be done now and then, so that no table grows for ever.
    housekeeping: tuple[Statement, ...]

    def placement(self, text: MobileText) -> Placement:
        """The same text under the same reference is the same row."""

    def part_id(self, id_: str) -> str:
        """A placement's id, ours or as it stands in a table, as the id by which our books know the parts."""

    def unfit(self, placement: Placement) -> str:
        """Why the table cannot hold it, or nothing."""

    def place(self, placements: Sequence[Placement]) -> Statement:
        """One statement, which is a transaction by itself: all rows or none."""

    def look(self, ids: Sequence[str]) -> tuple[Statement, ...]:
        """Which of `ids` the machine has: every row of every answer begins with one."""

    def ask(self) -> Statement:
        """How the machine is."""

    def ailment(self, rows: Sequence[Row]) -> str:
        """Why nothing can be sent now, from what `ask` was answered, or nothing."""

    def report(self, row: Row) -> Report | None:
        """None: it is about no text of ours."""

    def saying(self, row: Row) -> Saying:
        """Every row is one: what cannot be read is still to be kept."""


# ------------------------------------------------------------------------------------------------- character sets


class Charset(Struct, frozen=True):
    """How the words lie in the table: the octets of `codec`, which the database takes for text in `claimed`."""

    codec: str
    claimed: str

    def octets(self, words: str) -> bytes:
        """What the character set lacks becomes a question mark."""
        octets = words.encode(self.codec, "replace")
        if self.claimed == "utf8":  # MySQL's own, of three octets at most
            return re.sub(rb"[\xf0-\xf7][\x80-\xbf]{3}", b"?", octets)
        return octets

    def words(self, hexadecimal: str | int | None) -> str:
        return bytes.fromhex(str(hexadecimal or "")).decode(self.codec, "replace")

    def given(self) -> str:
        """A place in a statement for the hexadecimal of octets."""
        return f"CONVERT(UNHEX(?) USING {self.claimed})"

    def asked(self, column: str) -> str:
        return f"HEX(CONVERT({column} USING {self.claimed}))"


CHARSETS: Mapping[str, Charset] = {
    "utf8mb4": Charset("utf-8", "utf8mb4"),
    "utf8": Charset("utf-8", "utf8"),  # before MySQL 5.5
    "gbk": Charset("gbk", "gbk"),
    # The kit of the supplier writes GBK through a connection that says ISO-8859-1, and reads it back so. GB18030 is
    # GBK for every character GBK has, and does not lose the others.
    "gbk-in-latin1": Charset("gb18030", "latin1"),
}


# ------------------------------------------------------------------------------------------------------------ rows


def marks(count: int) -> str:
    return ", ".join("?" * count)


def as_text(column: str) -> str:
    return f"CAST({column} AS CHAR)"


def plainly(value: str | int | None, most: int) -> str:
    """What may stand in a column of ours: printable ASCII, not too long. Nobody vouches for what is in theirs."""
    return re.sub(r"[^ -~]", "", "" if value is None else str(value)).strip()[:most]


def readable(words: str, most: int) -> str:
    return "".join(character for character in words if character.isprintable()).strip()[:most]


def digits(value: str | int | None, most: int = 20) -> str:
    return re.sub(r"[^0-9+]", "", "" if value is None else str(value))[:most]


def saying_of(
    columns: Mapping[str, str | int | None],
    *,
    at: str | int | None,
    phone: str,
    receiver: str,
    octets: bytes,
    coding: int,
) -> Saying:
    """`columns` is the row without its key, which is kept as evidence; `at` when the person sent it."""
    raw = msgspec.json.encode(columns)
    return Saying(Part(phone, receiver, coding, octets, raw=raw), raw, is_dated=bool(at))


def whole_number(access_number: str, behind: str) -> str:
    """What a person wrote to; some machines repeat the access number, some do not."""
    return behind if behind.startswith(access_number) else access_number + behind
