"""What a simulated MAS machine does in its database, in statements: the tables of EMAS and those of 嘉讯."""

import uuid
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from sms.mas.interface import CHARSETS, Charset, Row, Statement, as_text


class Posted(Struct, frozen=True):
    """One number of one row of the outbox."""

    key: str | int
    id: str
    phone: str
    words: str
    extension: str


class Account(Protocol):
    """The machine's side of one account, in statements."""

    tables: Sequence[Statement]
    outbox_table: str
    outbox_key: str

    def is_told(self, *, suspended: bool, connected: bool) -> Sequence[Statement]: ...

    def outbox(self) -> Statement: ...

    def posted(self, row: Row) -> list[Posted]: ...

    def taken(self, posted: Sequence[Posted], results: Sequence[int], now: str) -> Sequence[Statement]: ...

    def receipt(self, posted: Posted, *, is_delivered: bool, again: bool, now: str) -> Sequence[Statement]: ...

    def saying(self, phone: str, words: str, extension: str, now: str) -> tuple[Statement, Statement]:
        """The row, and the question how many of that phone there are."""


class EmasAccount:
    outbox_table, outbox_key = "sms_outbox", "SISMSID"

    def __init__(self, application: str, *, charset: str = "utf8mb4") -> None:
        self._application, self._charset = application, CHARSETS[charset]
        self.tables: Sequence[Statement] = [Statement(sql) for sql in _made(_EMAS, self._charset)]

    def is_told(self, *, suspended: bool, connected: bool) -> Sequence[Statement]:
        return ()

    def outbox(self) -> Statement:
        return Statement(
            f"SELECT SISMSID, DESTADDR, {self._charset.asked('MESSAGECONTENT')}, EXTCODE FROM sms_outbox"
            " WHERE APPLICATIONID = ? ORDER BY REQUESTTIME LIMIT 100",
            (self._application,),
        )

    def posted(self, row: Row) -> list[Posted]:
        key, phones, words, extension = row
        return [
            Posted(str(key), str(key), phone, self._charset.words(words), str(extension))
            for phone in str(phones).split(";")
            if phone
        ]

    def taken(self, posted: Sequence[Posted], results: Sequence[int], now: str) -> Sequence[Statement]:
        return [
            Statement(
                "INSERT INTO sms_sent (MASSMSID, SISMSID, EXTCODE, DESTADDR, REQUESTTIME, SENTTIME, SENTRESULT,"
                " SMSSTATUS, APPLICATIONID) VALUES (?, ?, ?, ?, ?, NOW(), ?, '', ?)",
                (uuid.uuid4().hex, each.id, each.extension, each.phone, now, result, self._application),
            )
            for each, result in zip(posted, results, strict=True)
        ]

    def receipt(self, posted: Posted, *, is_delivered: bool, again: bool, now: str) -> Sequence[Statement]:
        status = "delivered" if is_delivered else "undeliv"
        if again:
            return [
                Statement(
                    "INSERT INTO sms_sent (MASSMSID, SISMSID, EXTCODE, DESTADDR, SENTTIME, SENTRESULT, SMSSTATUS,"
                    " STATUSTIME, APPLICATIONID) VALUES (?, ?, ?, ?, NOW(), 0, ?, ?, ?)",
                    (uuid.uuid4().hex, posted.id, posted.extension, posted.phone, status, now, self._application),
                )
            ]
        return [
            Statement(
                "UPDATE sms_sent SET SMSSTATUS = ?, STATUSTIME = ? WHERE SISMSID = ? AND DESTADDR = ?",
                (status, now, posted.id, posted.phone),
            )
        ]

    def saying(self, phone: str, words: str, extension: str, now: str) -> tuple[Statement, Statement]:
        put = Statement(
            "INSERT INTO sms_inbox (EMASMSID, EXTCODE, SOURCEADDR, RECEIVETIME, MESSAGECONTENT, MSGFMT, REQUESTTIME,"
            f" APPLICATIONID) VALUES (UUID(), ?, ?, ?, {self._charset.given()}, 15, ?, ?)",
            (extension, phone, now, self._charset.octets(words).hex(), now, self._application),
        )
        return put, Statement("SELECT COUNT(*) FROM sms_inbox WHERE SOURCEADDR = ?", (phone,))


class JassonAccount:
    def __init__(self, code: str, *, charset: str = "gbk-in-latin1") -> None:
        self._code, self._charset = code, CHARSETS[charset]
        self.outbox_table, self.outbox_key = f"api_mt_{code}", "AUTO_SN"
        self.tables: Sequence[Statement] = [
            *(Statement(sql) for sql in _made(_JASSON, self._charset, code)),
            Statement("REPLACE INTO tbl_api_info VALUES (?, '1', '1')", (code,)),
        ]

    def is_told(self, *, suspended: bool, connected: bool) -> Sequence[Statement]:
        told = ("2" if suspended else "1", "1" if connected else "0", self._code)
        return [Statement("UPDATE tbl_api_info SET if_status = ?, conn_succ_status = ? WHERE if_code = ?", told)]

    def outbox(self) -> Statement:
        return Statement(
            f"SELECT AUTO_SN, {as_text('SM_ID')}, MOBILES, {self._charset.asked('CONTENT')}, {as_text('SRC_ID')}"
            f" FROM api_mt_{self._code} WHERE SEND_TIME IS NULL ORDER BY AUTO_SN LIMIT 100"
        )

    def posted(self, row: Row) -> list[Posted]:
        key, sm_id, phones, words, src_id = row
        extension = "" if src_id == "0" else str(src_id)
        assert key is not None
        return [
            Posted(key, str(sm_id), phone, self._charset.words(words), extension) for phone in str(phones).split(",")
        ]

    def taken(self, posted: Sequence[Posted], results: Sequence[int], now: str) -> Sequence[Statement]:
        return [self._report(each, result, "", now) for each, result in zip(posted, results, strict=True) if result]

    def receipt(self, posted: Posted, *, is_delivered: bool, again: bool, now: str) -> Sequence[Statement]:
        return [self._report(posted, 0, "成功", now) if is_delivered else self._report(posted, 1, "MK:0001", now)]

    def _report(self, posted: Posted, code: int, description: str, now: str) -> Statement:
        return Statement(
            f"INSERT INTO api_rpt_{self._code} (SM_ID, MOBILE, RPT_CODE, RPT_DESC, RPT_TIME)"
            f" VALUES (?, ?, ?, {self._charset.given()}, ?)",
            (int(posted.id), posted.phone, code, self._charset.octets(description).hex(), now),
        )

    def saying(self, phone: str, words: str, extension: str, now: str) -> tuple[Statement, Statement]:
        put = Statement(
            f"INSERT INTO api_mo_{self._code} (SM_ID, CONTENT, MOBILE, MO_TIME, MSG_FMT)"
            f" VALUES (?, {self._charset.given()}, ?, ?, 15)",
            (int(extension or 0), self._charset.octets(words).hex(), phone, now),
        )
        return put, Statement(f"SELECT COUNT(*) FROM api_mo_{self._code} WHERE MOBILE = ?", (phone,))


# ----------------------------------------------------------------------------------------------------------- tables

_EMAS = (
    """CREATE TABLE IF NOT EXISTS sms_outbox (
    SISMSID VARCHAR(64) PRIMARY KEY, EXTCODE VARCHAR(20), DESTADDR VARCHAR(2000), MESSAGECONTENT VARCHAR(2000),
    REQDELIVERYREPORT INT, MSGFMT INT, SENDMETHOD INT, REQUESTTIME DATETIME, APPLICATIONID VARCHAR(64),
    ECID VARCHAR(64))""",
    """CREATE TABLE IF NOT EXISTS sms_sent (
    MASSMSID VARCHAR(64) PRIMARY KEY, GWSMSID VARCHAR(64), SISMSID VARCHAR(64), EXTCODE VARCHAR(20),
    DESTADDR VARCHAR(32), REQUESTTIME DATETIME, SENTTIME DATETIME, SENTRESULT INT, SMSSTATUS VARCHAR(32),
    STATUSTIME DATETIME, APPLICATIONID VARCHAR(64))""",
    """CREATE TABLE IF NOT EXISTS sms_inbox (
    EMASMSID VARCHAR(64) PRIMARY KEY, EXTCODE VARCHAR(32), SOURCEADDR VARCHAR(32), RECEIVETIME DATETIME,
    MESSAGECONTENT VARCHAR(2000), MSGFMT INT, REQUESTTIME DATETIME, APPLICATIONID VARCHAR(64))""",
)
_JASSON = (
    """CREATE TABLE IF NOT EXISTS api_mt_{code} (
    AUTO_SN BIGINT AUTO_INCREMENT PRIMARY KEY, SM_ID DECIMAL(8, 0), SRC_ID DECIMAL(8, 0), MOBILES TEXT,
    CONTENT VARCHAR(2000), IS_WAP INT, URL VARCHAR(100), SEND_TIME DATETIME, MSG_FMT INT, TP_PID INT, TP_UDHI INT,
    FEE_TERMINAL_ID VARCHAR(32), FEE_TYPE VARCHAR(8), FEE_CODE VARCHAR(8), FEE_USER_TYPE INT, SM_TYPE INT)""",
    """CREATE TABLE IF NOT EXISTS api_rpt_{code} (
    AUTO_SN BIGINT AUTO_INCREMENT PRIMARY KEY, SM_ID DECIMAL(8, 0), MOBILE VARCHAR(32), RPT_CODE INT,
    RPT_DESC VARCHAR(100), RPT_TIME DATETIME)""",
    """CREATE TABLE IF NOT EXISTS api_mo_{code} (
    AUTO_SN BIGINT AUTO_INCREMENT PRIMARY KEY, SM_ID DECIMAL(8, 0), CONTENT VARCHAR(2000), MOBILE VARCHAR(32),
    MO_TIME DATETIME, MSG_FMT INT)""",
    """CREATE TABLE IF NOT EXISTS tbl_api_info (
    if_code VARCHAR(20) PRIMARY KEY, if_status VARCHAR(2), conn_succ_status VARCHAR(2))""",
)


def _made(tables: Sequence[str], charset: Charset, code: str = "") -> list[str]:
    return [f"{table.format(code=code)} ENGINE = InnoDB CHARACTER SET {charset.claimed}" for table in tables]
