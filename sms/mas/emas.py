"""EMAS, the interface of China Mobile's MAS 2.0: `sms_outbox`, `sms_sent`, `sms_inbox`. Pure.

Source: the tables as public clients use them. The machine moves a row of `sms_outbox` to `sms_sent`, one per number,
with what the gateway answered (SENTRESULT), and later writes there what became of it (SMSSTATUS); what people send
comes to `sms_inbox`. Rows of other applications are not touched. Limits: the carrier's manual was not seen. One number
per row. A text goes with its signature, so the machine must not add one. A text that expires in the outbox is still
sent, for the tables know no expiry.
"""

import hashlib
from collections.abc import Mapping, Sequence

from alerts.settling import Heard
from alerts.states import State
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
    saying_of,
    whole_number,
)
from sms.outcomes import heard_of
from sms.receipts import MessageState, Receipt, is_carrier_error, plain_id
from sms.statuses import Fault, Meaning, of_receipt
from sms.text import Coding

_SLOW, _TECH, _TEMP, _PERM = Fault.THROTTLED, Fault.TECHNICAL, Fault.TEMPORARY, Fault.PERMANENT

#: SENTRESULT: what the gateway answered the machine. The text was not sent unless it is 0.
SENT_RESULTS: Mapping[int, Meaning] = {
    0: Meaning("0", None, "成功", "taken by the gateway"),
    1: Meaning("1", _TECH, "消息结构错", "the structure of the message is wrong"),
    2: Meaning("2", _TECH, "命令字错", "the command is wrong"),
    3: Meaning("3", _TECH, "消息序号重复", "the sequence number was used before"),
    4: Meaning("4", _TECH, "消息长度错", "the length of the message is wrong"),
    5: Meaning("5", _TECH, "资费代码错", "the fee code is wrong"),
    6: Meaning("6", _PERM, "超过最大信息长", "the text is too long"),
    7: Meaning("7", _TECH, "业务代码错", "the service code is wrong"),
    8: Meaning("8", _SLOW, "流量控制错", "the allowed rate is exceeded"),
    9: Meaning("9", _TEMP, "其他错误", "some other error"),
}

#: The last words of SMSSTATUS, as SMPP and Parlay have them; "MK:0001" is one, too. A row with another is waited for.
STATES: Mapping[str, MessageState] = {
    "delivered": MessageState.DELIVERED,
    "delivrd": MessageState.DELIVERED,
    "deliveredtoterminal": MessageState.DELIVERED,
    "deliverytoterminal": MessageState.DELIVERED,
    "expired": MessageState.EXPIRED,
    "deleted": MessageState.DELETED,
    "undeliv": MessageState.UNDELIVERABLE,
    "undeliverable": MessageState.UNDELIVERABLE,
    "deliveryimpossible": MessageState.UNDELIVERABLE,
    "rejected": MessageState.REJECTED,
    "rejectd": MessageState.REJECTED,
}
#: MSGFMT, how the text travels on. Old phones know GB2312, every phone UCS2; 4 is hexadecimal in the table.
GB2312, UCS2, BINARY = 15, 8, 4
#: SENDMETHOD; the machine divides.
ALONE, IN_PARTS = 0, 2

#: MESSAGECONTENT is a varchar(2000).
_LONGEST = 2000
#: How long a row may wait for its last word.
_KEEP_DAYS = 7

_RECEIVED = ("EXTCODE", "SOURCEADDR", "RECEIVETIME", "MSGFMT", "MESSAGECONTENT")


class Emas:
    """`application` is the APPLICATIONID; `extension` stands behind the access number of every text."""

    def __init__(self, application: str, *, access_number: str, extension: str = "", charset: str = "utf8mb4") -> None:
        self.account = f"emas:{application}"
        self._application, self._access_number, self._extension = application, access_number, extension
        self._charset = CHARSETS[charset]
        self.reports = Pile(
            table="sms_sent",
            key="MASSMSID",
            columns=tuple(as_text(name) for name in ("SISMSID", "DESTADDR", "SENTRESULT", "SMSSTATUS")),
            only=(
                "APPLICATIONID = ? AND (SENTRESULT <> 0 OR SMSSTATUS LIKE '__:____'"
                f" OR LOWER(SMSSTATUS) IN ({marks(len(STATES))}))"
            ),
            values=(application, *STATES),
            order="REQUESTTIME",
        )
        self.sayings = Pile(
            table="sms_inbox",
            key="EMASMSID",
            columns=(*(as_text(name) for name in _RECEIVED[:-1]), self._charset.asked("MESSAGECONTENT")),
            only="APPLICATIONID = ?",
            values=(application,),
            order="RECEIVETIME",
        )
        self.housekeeping: tuple[Statement, ...] = (
            Statement(
                f"DELETE FROM sms_sent WHERE APPLICATIONID = ? AND SENTTIME < NOW() - INTERVAL {_KEEP_DAYS} DAY",
                (application,),
            ),
        )

    def placement(self, text: MobileText) -> Placement:
        phone = national_number(text.phone)
        # Made of what it stands for: a text put there by a process that died of it is met again under the same id,
        # and one that is only numbered alike, after a restored backup, is not.
        said = f"{self.account}|{text.reference}|{phone}|{text.words}".encode("utf-8", "replace")
        return Placement(
            id=hashlib.sha256(said).hexdigest()[:32],
            phone=phone,
            words=text.words,
            extension=self._extension + text.extension,
            parts=parts_needed(text.words),
        )

    def part_id(self, id_: str) -> str:
        return plain_id(id_)

    def unfit(self, placement: Placement) -> str:
        return f"longer than {_LONGEST} characters" if len(placement.words) > _LONGEST else ""

    def place(self, placements: Sequence[Placement]) -> Statement:
        row = f"(?, ?, ?, {self._charset.given()}, 1, ?, ?, NOW(), ?)"
        values: list[str | int] = []
        for each in placements:
            octets = self._charset.octets(each.words)
            method = ALONE if each.parts == 1 else IN_PARTS
            values += (each.id, each.extension, each.phone, octets.hex(), _format(each.words), method)
            values.append(self._application)
        return Statement(
            "INSERT INTO sms_outbox (SISMSID, EXTCODE, DESTADDR, MESSAGECONTENT, REQDELIVERYREPORT, MSGFMT,"
            f" SENDMETHOD, REQUESTTIME, APPLICATIONID) VALUES {', '.join([row] * len(placements))}",
            tuple(values),
        )

    def look(self, ids: Sequence[str]) -> tuple[Statement, ...]:
        wanted = f"WHERE SISMSID IN ({marks(len(ids))})"
        return tuple(
            Statement(f"SELECT {as_text('SISMSID')} FROM {table} {wanted}", tuple(ids))
            for table in ("sms_outbox", "sms_sent")
        )

    def ask(self) -> Statement:
        return Statement("SELECT 1")

    def ailment(self, rows: Sequence[Row]) -> str:
        """The tables do not tell whether the machine works."""
        return ""

    def report(self, row: Row) -> Report | None:
        _, sismsid, phone, result, status = row
        id_, sent, word = plainly(sismsid, 64), _number(result), plainly(status, 40)
        if not id_:
            return None
        if sent:
            meaning = SENT_RESULTS.get(sent) or Meaning(str(sent), _TECH, "未知代码", "a code nobody knows")
            # The last word is what statuses.is_the_carriers goes by.
            error = f"SENTRESULT {meaning.name} {meaning.zh} {meaning.fault}"
            return Report(Heard(self.part_id(id_), State.FAILED, digits(phone), error), meaning.fault)
        receipt = Receipt(
            id_,
            STATES.get(word.lower(), MessageState.UNDELIVERABLE),
            error=word if is_carrier_error(word) else None,
        )
        return Report(heard_of(receipt, digits(phone)), of_receipt(receipt).fault)

    def saying(self, row: Row) -> Saying:
        columns = dict(zip(_RECEIVED, row[1:], strict=True))
        words = self._charset.words(columns["MESSAGECONTENT"])
        coding, octets = int(Coding.UCS2), words.encode("utf-16-be", "replace")
        if _number(columns["MSGFMT"]) == BINARY:
            coding, octets = BINARY, _unhexed(words)
        return saying_of(
            columns,
            at=columns["RECEIVETIME"],
            phone=digits(columns["SOURCEADDR"]),
            receiver=whole_number(self._access_number, digits(columns["EXTCODE"])),
            coding=coding,
            octets=octets,
        )


def _format(words: str) -> int:
    try:
        words.encode("gb2312")
    except UnicodeEncodeError:
        return UCS2
    return GB2312


def _number(value: str | int | None) -> int:
    """What is no number is no success either."""
    written = plainly(value, 9)
    return int(written) if written.isdigit() else -1 if written else 0


def _unhexed(words: str) -> bytes:
    try:
        return bytes.fromhex(words)
    except ValueError:
        return words.encode("ascii", "replace")
