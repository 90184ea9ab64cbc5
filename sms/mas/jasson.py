"""The interface of the 嘉讯 (Jasson) information machine: `api_mt_<code>`, `api_rpt_<code>`, `api_mo_<code>`. Pure.

Source: the supplier's own kit for Java (APIClient 2.2), in public. A text is known by SM_ID; SRC_ID are digits behind
the access number, which come back as the SM_ID of an answer; `tbl_api_info` says whether the interface runs. Limits:
one number per row; an extension that is no number of at most eight digits is left out; no WAP push, no PDU texts. A
text that expires in the table is still sent, for it knows no expiry.
"""

from collections.abc import Sequence

from alerts.texts import national_number, parts_needed
from sms.carriers import MobileText
from sms.mas.interface import (
    CHARSETS,
    Pile,
    Placement,
    Report,
    Row,
    Saying,
    Statement,
    as_text,
    digits,
    marks,
    plainly,
    readable,
    saying_of,
    whole_number,
)
from sms.outcomes import heard_of
from sms.receipts import MessageState, Receipt, state_of
from sms.statuses import of_receipt
from sms.text import Coding

#: SM_ID and SRC_ID are numbers of eight digits; SM_ID 0 means "no receipt wanted", SRC_ID 0 "nothing behind it".
_MOST = 99_999_999
_DIGITS = 8
#: The kit cuts what is longer.
_LONGEST = 2000
#: if_status and conn_succ_status of tbl_api_info.
_SUSPENDED, _NOT_CONNECTED = "2", "0"

_RECEIVED = ("SM_ID", "MOBILE", "MO_TIME", "MSG_FMT", "CONTENT")


class Jasson:
    """`code` is the interface code; `extension` stands behind the access number of every text."""

    def __init__(self, code: str, *, access_number: str, extension: str = "", charset: str = "gbk-in-latin1") -> None:
        # It becomes part of names, which no statement can take as values.
        if not (code.isascii() and code.replace("_", "a").isalnum()):
            raise ValueError("a code is letters, digits and _")
        self.account = f"jasson:{code}"
        self._code, self._access_number, self._extension = code, access_number, extension
        self._charset = CHARSETS[charset]
        self.reports = Pile(
            table=f"api_rpt_{code}",
            key="AUTO_SN",
            columns=(*(as_text(name) for name in ("SM_ID", "MOBILE", "RPT_CODE")), self._charset.asked("RPT_DESC")),
            order="AUTO_SN",
        )
        self.sayings = Pile(
            table=f"api_mo_{code}",
            key="AUTO_SN",
            columns=(*(as_text(name) for name in _RECEIVED[:-1]), self._charset.asked("CONTENT")),
            order="AUTO_SN",
        )
        self.housekeeping: tuple[Statement, ...] = ()

    def placement(self, text: MobileText) -> Placement:
        return Placement(
            # Other than every one of the last hundred million messages, whichever process sent them.
            id=str(text.reference % _MOST + 1),
            phone=national_number(text.phone),
            words=text.words,
            extension=self._behind(text.extension),
            parts=parts_needed(text.words),
        )

    def part_id(self, id_: str) -> str:
        return f"s{int(id_)}"  # the letter keeps it from being read as another number in hexadecimal

    def unfit(self, placement: Placement) -> str:
        return f"longer than {_LONGEST} characters" if len(placement.words) > _LONGEST else ""

    def place(self, placements: Sequence[Placement]) -> Statement:
        row = f"(?, ?, ?, {self._charset.given()}, 0, '', NULL, 0, 0, 0, '', '', '', 0, 0)"
        values: list[str | int] = []
        for each in placements:
            octets = self._charset.octets(each.words)
            values += (int(each.id), int(each.extension or 0), each.phone, octets.hex())
        return Statement(
            f"INSERT INTO api_mt_{self._code} (SM_ID, SRC_ID, MOBILES, CONTENT, IS_WAP, URL, SEND_TIME, MSG_FMT,"
            " TP_PID, TP_UDHI, FEE_TERMINAL_ID, FEE_TYPE, FEE_CODE, FEE_USER_TYPE, SM_TYPE)"
            f" VALUES {', '.join([row] * len(placements))}",
            tuple(values),
        )

    def look(self, ids: Sequence[str]) -> tuple[Statement, ...]:
        wanted = f"WHERE SM_ID IN ({marks(len(ids))})"
        return tuple(
            Statement(f"SELECT {as_text('SM_ID')} FROM {table}_{self._code} {wanted}", tuple(map(int, ids)))
            for table in ("api_mt", "api_rpt")
        )

    def ask(self) -> Statement:
        columns = ", ".join(as_text(name) for name in ("if_status", "conn_succ_status"))
        return Statement(f"SELECT {columns} FROM tbl_api_info WHERE if_code = ? LIMIT 1", (self._code,))

    def ailment(self, rows: Sequence[Row]) -> str:
        if not rows:
            return f"no interface {self._code}"
        if_status, connected = rows[0]
        if if_status == _SUSPENDED:
            return "the interface is suspended"
        return "the machine has lost the gateway" if connected == _NOT_CONNECTED else ""

    def report(self, row: Row) -> Report | None:
        _, sm_id, phone, code, description = row
        id_, number = plainly(sm_id, 9), plainly(code, 9)
        if not id_.isdigit() or int(id_) == 0:
            return None
        said = readable(self._charset.words(description), 40)
        state = state_of(said.upper())
        if number == "0":
            state = MessageState.DELIVERED
        elif state is None or not state.is_final or state is MessageState.DELIVERED:
            state = MessageState.UNDELIVERABLE  # the number counts, and it says no
        receipt = Receipt(self.part_id(id_), state, error=said or f"RPT_CODE {number or '-'}")
        return Report(heard_of(receipt, digits(phone)), of_receipt(receipt).fault)

    def saying(self, row: Row) -> Saying:
        columns = dict(zip(_RECEIVED, row[1:], strict=True))
        behind = digits(columns["SM_ID"])
        return saying_of(
            columns,
            at=columns["MO_TIME"],
            phone=digits(columns["MOBILE"]),
            receiver=whole_number(self._access_number, behind if behind.strip("0") else ""),
            coding=int(Coding.UCS2),
            octets=self._charset.words(columns["CONTENT"]).encode("utf-16-be", "replace"),
        )

    def _behind(self, extension: str) -> str:
        """The text matters more than its answer: without the extension, where SRC_ID cannot hold it."""
        whole = self._extension + extension
        return whole if len(whole) <= _DIGITS and not whole.startswith("0") else self._extension
