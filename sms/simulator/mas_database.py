"""The simulated MAS machine of a city: it empties the outbox of a real database and fills the tables that clients read.

Its tables are those of EMAS or of 嘉讯; it makes them when they are missing and keeps everything in them, so it can be
stopped and started again over the same database. Limits: one account; no expiry; long texts are not divided, for a
client of a MAS never sees the parts.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from kernel.clock import Clock
from sms import text
from sms.mas.interface import Statement, marks
from sms.mas.mysql import Lost, NotConnected, Rejected, Server, Session
from sms.receipts import CHINA
from sms.simulator.handset import Handset
from sms.simulator.mas_accounts import Account, Posted


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
