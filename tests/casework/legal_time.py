"""What officers do to a clock in the tests: each at the case's present revision, signed where it must be."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from casework import files
from casework.acts import ExtendClock, ResumeClock, StopClock
from casework.clock.acts import (
    AnnounceHearing,
    AskHearing,
    HoldHearing,
    ImportCalendar,
    PrepareExtension,
    ReprojectDeadlines,
    TellHearingRight,
    TellLonger,
)
from casework.clock.calendars import read_calendar, seed_rows
from casework.clock.ledger import Entry, StopGround
from casework.clock.working_days import Calendar
from casework.tables import CalendarDay, Case, ClockEntry, Document
from kernel.acts import SignedBytes, SigningRequest
from tests.casework.town import Town, item, person

#: A plausible notice for 2027; the real one is not out when these tests are written.
HOLIDAYS_2027 = (
    *(date(2027, 1, day) for day in (1, 2, 3)),
    *(date(2027, 2, day) for day in range(5, 13)),
    *(date(2027, 4, day) for day in (3, 4, 5)),
    *(date(2027, 5, day) for day in range(1, 6)),
    *(date(2027, 6, day) for day in (9, 10, 11)),
    date(2027, 9, 15),
    *(date(2027, 10, day) for day in range(1, 8)),
)
WORKDAYS_2027 = (date(2027, 1, 31), date(2027, 2, 20), date(2027, 5, 8), date(2027, 9, 26), date(2027, 10, 9))


class LegalTime:
    def __init__(self, town: Town) -> None:
        self.town = town

    async def stop(
        self, number: str, days: int, *, ground: StopGround = StopGround.EXPERT_REVIEW, reason: str = "需专家评审"
    ) -> Any:
        act = StopClock(
            case=number, revision=await self._revision(number), ground=ground, told_days=days, reason=reason
        )
        return await self.town.do(act, person("HANDLER"))

    async def tell_longer(self, number: str, days: int, *, reason: str = "专家意见分歧") -> Any:
        act = TellLonger(case=number, revision=await self._revision(number), told_days=days, reason=reason)
        return await self.town.do(act, person("HANDLER"))

    async def resume(self, number: str) -> Any:
        act = ResumeClock(case=number, revision=await self._revision(number))
        return await self.town.do(act, person("HANDLER"))

    async def extend(
        self,
        number: str,
        days: int,
        *,
        who: str = "CHIEF",
        reason: str = "案情复杂",
        submitted: Mapping[str, Any] | None = None,
    ) -> Any:
        """Prepares, signs and submits, or `submitted` in place of what was signed."""
        asked: dict[str, Any] = {
            "case": number,
            "revision": await self._revision(number),
            "days": days,
            "reason": reason,
        }
        request = await self.town.do(PrepareExtension(**asked), person(who))
        if not isinstance(request, SigningRequest):
            return request
        proof = SignedBytes(nonce=request.nonce, signature=b"s")
        return await self.town.do(ExtendClock(**{**asked, **(submitted or {})}), person(who), proof=proof)

    async def tell_right(self, number: str, subject: str = "施工噪声影响相邻居民") -> Any:
        act = TellHearingRight(case=number, revision=await self._revision(number), subject=subject)
        return await self.town.do(act, person("HANDLER"))

    async def ask(self, number: str, who: str = "CLERK", *, on_behalf_of: str = "") -> Any:
        return await self.town.do(AskHearing(case=number, on_behalf_of=on_behalf_of), person(who))

    async def announce(
        self, number: str, on: date, *, place: str = "政务大厅三楼听证室", presider: str = "LEGAL"
    ) -> Any:
        act = AnnounceHearing(
            case=number, revision=await self._revision(number), hearing_on=on, place=place, presider=presider
        )
        return await self.town.do(act, person("HANDLER"))

    async def hold(self, number: str, record: str = "双方陈述完毕，核对笔录无误。") -> Any:
        act = HoldHearing(case=number, revision=await self._revision(number), record=record)
        return await self.town.do(act, person("HANDLER"))

    async def fill_calendar(self) -> None:
        """The table gets the built-in days of the years that the tests are in."""
        rows = [CalendarDay(**row) for row in seed_rows() if row["day"].year in (2026, 2027, 2028)]
        await CalendarDay.bulk_create(rows)

    async def import_notice(self, **changes: Any) -> Any:
        act = ImportCalendar(
            **{
                "year": 2027,
                "notice": "国办发明电〔2026〕7号",
                "source": "国务院办公厅关于2027年部分节假日安排的通知",
                "holidays": HOLIDAYS_2027,
                "workdays": WORKDAYS_2027,
                "first_officer": "REFORM",
                "second_officer": "LEGAL",
                **changes,
            }
        )
        return await self.town.do(act)

    async def take_up(self) -> int:
        """What a running process does about an imported notice; returns how many cases were found anew."""
        provisions = self.town.desk.provisions
        assert isinstance(provisions, dict)
        provisions[Calendar] = await read_calendar(self.town.database)
        return int((await self.town.do(ReprojectDeadlines())).count)

    async def entries(self, number: str) -> list[Entry]:
        case = await Case.get(number=number)
        rows = await ClockEntry.filter(case_id=case.id).order_by("seq")
        return [msgspec.json.decode(row.entry, type=Entry) for row in rows]

    async def paper(self, number: str, kind: str) -> str:
        """What the newest document of a kind says."""
        case = await Case.get(number=number)
        newest = await Document.filter(case_id=case.id, kind=kind).order_by("-id").first()
        assert newest is not None
        return str(newest.content)

    async def _revision(self, number: str) -> int:
        return int((await files.find(number)).revision)


def stage_of(definition: bytes, **changes: Any) -> bytes:
    """A definition whose only stage is changed."""
    whole: dict[str, Any] = msgspec.json.decode(definition)
    stage: Mapping[str, Any] = whole["stages"][0]
    return msgspec.json.encode({**whole, "stages": [{**stage, **changes}]})


def limited_steps(*days: int | None, committed: int = 20) -> bytes:
    """The town's item, each of whose levels has working days of its own."""
    roles = ("handler", "section_head", "deputy_leader")
    levels = [{"role": role, "limit_days": limit} for role, limit in zip(roles, days, strict=True)]
    return stage_of(item(committed=committed), levels=levels)
