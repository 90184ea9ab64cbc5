"""What the tests of the approval flow share: items with a changed stage, and what an officer is shown."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from casework.clock.calendars import builtin_calendar
from casework.flow.acts import Delegate, PrepareDelegation
from casework.process_record import case_detail
from casework.queries import Place, todos
from kernel.acts import SignedBytes, SigningRequest
from tests.casework.town import Town, item, person


def staged(code: str, **stage: Any) -> bytes:
    """A complete item whose only stage is changed by `stage`."""
    definition = json.loads(item(code))
    definition["stages"][0] |= stage
    return json.dumps(definition, ensure_ascii=False).encode()


def levels(*roles: str) -> list[dict[str, str]]:
    return [{"role": role} for role in roles]


async def accepted(town: Town, definition: bytes) -> str:
    """A case of the item, accepted by the window."""
    await town.publish(definition)
    code = json.loads(definition)["code"]
    return await town.accepted(item=code, stage=f"{code}-01")


PARALLEL = staged(
    "ZJ-XK-020",
    handling="parallel",
    statutory_limit_days=45,
    committed_limit_days=40,
    branches=[
        {"unit": "XF", "name": "消防设计审查", "limit_days": 10, "levels": levels("handler", "section_head")},
        {"unit": "RF", "name": "人防工程审查", "limit_days": 15, "levels": levels("handler")},
    ],
)


async def parallel(town: Town) -> str:
    """An accepted case with two co-units."""
    return await accepted(town, PARALLEL)


async def shown(town: Town, who: str, number: str) -> Any:
    """The whole case as an officer sees it."""
    return await case_detail(town.database, person(who), number, now=town.clock.now(), calendar=builtin_calendar())


async def waiting(town: Town, who: str, *, first: int = 20, after: Place | None = None) -> tuple[Any, Place | None]:
    """An officer's to-do list: its rows, and where the next page begins."""
    page = await todos(
        town.database, person(who), now=town.clock.now(), calendar=builtin_calendar(), first=first, after=after
    )
    return page.rows, page.next


async def absent(
    town: Town,
    who: str = "HEAD",
    stand_in: str = "CHIEF",
    *,
    by: str = "",
    submitted: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Any:
    """WHO is away until Friday 2026-09-25, and STAND_IN acts: prepared, signed and submitted by BY, or WHO;
    `submitted` in place of what was signed.
    """
    asked: dict[str, Any] = {
        "delegate": stand_in,
        "first_day": date(2026, 9, 18),
        "last_day": date(2026, 9, 25),
        "reason": "赴省厅培训。",
        "principal": who if by else "",
        **changes,
    }
    request = await town.do(PrepareDelegation(**asked), person(by or who))
    if not isinstance(request, SigningRequest):
        return request
    proof = SignedBytes(nonce=request.nonce, signature=b"s")
    return await town.do(Delegate(**{**asked, **(submitted or {})}), person(by or who), proof=proof)
