"""The simulated MAS machine of a city: it empties the outbox of a real database and fills the tables that clients read.

Its tables are those of EMAS or of 嘉讯; it makes them when they are missing and keeps everything in them, so it can be
stopped and started again over the same database. Limits: one account; no expiry; long texts are not divided, for a
client of a MAS never sees the parts.
"""

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from msgspec import Struct

from kernel.clock import Clock
from sms import text
from sms.mas.interface import CHARSETS, Charset, Row, Statement, as_text, marks
from sms.mas.mysql import Lost, NotConnected, Rejected, Server, Session
from sms.receipts import CHINA
from sms.simulator.handset import Handset


@dataclass(kw_only=True)
class MachineFaults:
    """What can be made to go wrong. Every knob may be turned while it runs."""

    #: The machine takes nothing; 嘉讯 says so in tbl_api_info.
    gateway_down: bool = False
    #: 嘉讯: somebody has suspended the interface.
    suspended: bool = False
    #: The next rounds take nothing, as if the machine were busy.
    busy_rounds: int = 0
    #: What the gateway answers the machine to the next texts, instead of 0: they go nowhere.
    results: list[int] = field(default_factory=list)
    #: Receipts come so many rounds later.
    receipts_late: int = 0
    no_receipts: bool = False
    duplicate_receipts: bool = False
    #: Every text from a phone is written once more, under another key.
    duplicate_texts: bool = False
    #: Numbers that cannot be reached.
    undeliverable: set[str] = field(default_factory=set)


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


class MasMachine:
    """`async with MasMachine(server, EmasAccount("APP056"), clock=...) as machine:`"""

    def __init__(
        self,
        server: Server,
        account: Account,
        *,
        clock: Clock,
        access_number: str = "10690000",
        round_s: float = 0.01,
        faults: MachineFaults | None = None,
    ) -> None:
        self.faults = faults or MachineFaults()
        #: Of the database server: the machine itself listens nowhere.
        self.host, self.port = server.host, server.port
        self.counts: Counter[str] = Counter()
        self._account, self._clock, self._access_number, self._round_s = account, clock, access_number, round_s
        self._session, self._phones, self._phoning = Session(server), Session(server), asyncio.Lock()
        self._told = (False, True)
        #: Taken in a transaction of whose end nothing was heard.
        self._doubtful: list[tuple[Posted, int]] = []
        self._late: deque[tuple[int, Posted, bool]] = deque()
        self._rounds, self._is_stopping, self._is_cut = 0, False, False
        self._handsets: dict[str, Handset] = {}

    async def __aenter__(self) -> "MasMachine":
        await self._session.open()
        for statement in self._account.tables:
            await self._session.run(statement)
        self._job = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopping = True
        await self._job
        await self._session.close()
        await self._phones.close()

    @property
    def connections(self) -> int:
        """Of the machine to its database."""
        return self._session.is_open + self._phones.is_open

    def stats(self) -> dict[str, object]:
        """Ready for JSON."""
        return {"handsets": len(self._handsets), "receipts waiting": len(self._late), "counts": dict(self.counts)}

    def reset(self) -> None:
        """Empties counts and inboxes. What lies in the tables stays, faults stay."""
        self.counts.clear()
        for handset in self._handsets.values():
            handset.forget()

    def cut(self) -> None:
        """The machine loses its database, until the next round."""
        self._is_cut = True

    def handset(self, number: str) -> Handset:
        """The phone with this number; there is exactly one."""
        if number not in self._handsets:
            self._handsets[number] = Handset(number, self, self._clock.now)
        return self._handsets[number]

    async def carry(self, source: str, destination: str, segments: text.Segments, timeout_s: float) -> None:
        """From a phone to the client's table. Returns when it was taken out of there."""
        octets = b"".join(text.split_header(part)[1] if segments.has_header else part for part in segments.parts)
        words = text.decode(octets, segments.coding)
        extension = destination.removeprefix(self._access_number)
        put, left = self._account.saying(source, words, extension, self._now())
        async with asyncio.timeout(timeout_s):
            for _ in range(2 if self.faults.duplicate_texts else 1):
                await self._ask(put)
                self.counts["texts"] += 1
            while await self._ask(left):  # noqa: ASYNC110  the database has no bell
                await asyncio.sleep(self._round_s)

    async def at_rest(self) -> None:
        """Returns when everything was taken and reported."""
        outbox = Statement(f"SELECT COUNT(*) FROM {self._account.outbox_table}")
        while await self._ask(outbox) or self._late or self._doubtful:  # noqa: ASYNC110
            await asyncio.sleep(self._round_s)

    async def _ask(self, statement: Statement) -> str | int | None:
        """The one value of the answer."""
        async with self._phoning:
            await self._phones.open()
            rows = await self._phones.run(statement)
        return rows[0][0] if rows else None

    # ---- the machine

    async def _run(self) -> None:
        while not self._is_stopping:
            if self._is_cut:
                self._is_cut = False
                self._session.abort()
            # A database that goes takes the machine with it, until it comes back.
            with suppress(NotConnected, Lost, Rejected):
                await self._session.open()
                await self._round()
            await asyncio.sleep(self._round_s)

    async def _round(self) -> None:
        faults = self.faults
        self._rounds += 1
        if (faults.suspended, not faults.gateway_down) != self._told:
            self._told = (faults.suspended, not faults.gateway_down)
            await self._run_all(self._account.is_told(suspended=self._told[0], connected=self._told[1]))
        while self._late and self._late[0][0] <= self._rounds:
            await self._report(*self._late[0][1:])
            self._late.popleft()
        if self._doubtful:
            await self._make_certain()
        if faults.busy_rounds:
            faults.busy_rounds -= 1
        elif not (faults.gateway_down or faults.suspended):
            await self._take()

    async def _take(self) -> None:
        rows = await self._session.run(self._account.outbox())
        posted = [each for row in rows for each in self._account.posted(row)]
        if not posted:
            return
        results = [self.faults.results.pop(0) if self.faults.results else 0 for _ in posted]
        self._doubtful = list(zip(posted, results, strict=True))
        taken = self._account.taken(posted, results, self._now())
        await self._run_all([*taken, self._of_outbox("DELETE", posted)])
        self._deliver(self._doubtful)

    async def _make_certain(self) -> None:
        """A transaction whose end was not heard: what is still in the outbox was not taken."""
        rows = await self._session.run(
            self._of_outbox(f"SELECT {self._account.outbox_key}", [posted for posted, _ in self._doubtful])
        )
        left = {row[0] for row in rows}
        self._deliver([(posted, result) for posted, result in self._doubtful if posted.key not in left])

    def _of_outbox(self, verb: str, posted: Sequence[Posted]) -> Statement:
        keys = tuple(dict.fromkeys(each.key for each in posted))
        account = self._account
        return Statement(f"{verb} FROM {account.outbox_table} WHERE {account.outbox_key} IN ({marks(len(keys))})", keys)

    def _deliver(self, taken: Sequence[tuple[Posted, int]]) -> None:
        self._doubtful = []
        for each, result in taken:
            self.counts["taken"] += 1
            if result:
                continue
            is_delivered = each.phone not in self.faults.undeliverable
            if is_delivered:
                self.handset(each.phone).receive(self._access_number + each.extension, each.words)
            if not self.faults.no_receipts:
                self._late.append((self._rounds + self.faults.receipts_late, each, is_delivered))

    async def _report(self, posted: Posted, is_delivered: bool) -> None:
        for again in range(2 if self.faults.duplicate_receipts else 1):
            await self._run_all(
                self._account.receipt(posted, is_delivered=is_delivered, again=bool(again), now=self._now())
            )
            self.counts["receipts"] += 1

    async def _run_all(self, statements: Sequence[Statement]) -> None:
        """Together, or not at all."""
        await self._session.run(Statement("BEGIN"))
        try:
            for statement in statements:
                await self._session.run(statement)
        except Rejected:
            await self._session.run(Statement("ROLLBACK"))
            raise
        await self._session.run(Statement("COMMIT"))

    def _now(self) -> str:
        return f"{self._clock.now().astimezone(CHINA):%Y-%m-%d %H:%M:%S}"


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
