"""Promises broken on purpose, one at a time, in a process of their own: to see that it would be noticed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any


def acknowledge_texts_before_they_are_kept() -> None:
    from sms.inbound import Inbox

    keep, later = Inbox.take, set[asyncio.Task[int]]()

    async def take(self: Inbox, arrival: Any) -> int:
        later.add(asyncio.create_task(_late(keep(self, arrival))))
        return 0

    Inbox.take = take  # type: ignore[method-assign]


def acknowledge_receipts_before_they_are_recorded() -> None:
    from sms.lane import Lane

    hear = Lane.heard

    def heard(self: Lane, receipt: Any) -> "asyncio.Future[int]":
        asyncio.get_running_loop().call_later(0.5, hear, self, receipt)
        taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        taken.set_result(0)
        return taken

    Lane.heard = heard  # type: ignore[method-assign]


def believe_that_every_answer_was_read() -> None:
    from sms.unread import Unread

    def put(self: Unread, session: Any, was_read: "asyncio.Future[None]", now: float) -> None:
        was_read.set_result(None)

    Unread.put = put  # type: ignore[method-assign]


def send_codes_again_at_once() -> None:
    from alerts import outgoing, settling
    from alerts.states import after_unknown

    def hasty(confirms: bool, attempts: int, now: Any) -> Any:
        return after_unknown(False, attempts, now)

    for module in (outgoing, settling):
        setattr(module, "after_unknown", hasty)  # noqa: B010  it is no public name of theirs


def forget_which_parts_were_taken() -> None:
    import alerts.outgoing

    async def accepted_parts(database: Any, messages: Any) -> dict[int, frozenset[int]]:
        return {}

    alerts.outgoing.accepted_parts = accepted_parts


def perform_without_a_key() -> None:
    from kernel.office import Office

    perform = Office.perform

    async def forgetful(self: Office, act: Any, actor: Any, *, key: str | None, proof: Any = None) -> Any:
        return await perform(self, act, actor, key=None, proof=proof)

    Office.perform = forgetful  # type: ignore[method-assign]


async def _late(keeping: Awaitable[int]) -> int:
    await asyncio.sleep(0.5)
    return await keeping


BROKEN: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        sabotage.__name__.replace("_", " "): sabotage
        for sabotage in (
            acknowledge_texts_before_they_are_kept,
            acknowledge_receipts_before_they_are_recorded,
            believe_that_every_answer_was_read,
            send_codes_again_at_once,
            forget_which_parts_were_taken,
            perform_without_a_key,
        )
    }
)
