"""What an operator asks of a carrier: to pause, to go on, to say goodbye. The gateway obeys within its next round.

The wish is kept in the carrier's row, so it outlives a restart, and the log says who wished it.
"""

from enum import StrEnum
from typing import ClassVar

from kernel.acts import Act, Done
from kernel.events import Event
from kernel.refusals import Refusal
from kernel.work import Work
from sms.tables import CarrierRow


class Wanted(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"  # nothing is sent; receipts and texts from people are taken
    DRAINED = "drained"  # what is under way is finished, then there is no connection either


class AskCarrier(Act[Done], frozen=True, tag="carrier.ask"):
    """`by`: the operator's account at the server."""

    carrier: str
    wanted: Wanted
    by: str = ""


class CarrierAsked(Event, frozen=True, tag="carrier.asked"):
    about: ClassVar[str] = "carrier"
    carrier: str
    wanted: str
    by: str


EVENTS: tuple[type[Event], ...] = (CarrierAsked,)


class UnknownCarrier(Refusal):
    code = "UNKNOWN_CARRIER"
    zh = "没有名为{carrier}的通道；已知：{known}。"
    en = "There is no carrier {carrier}; known are {known}."


async def ask_carrier(work: Work, act: AskCarrier) -> Done:
    """Writes the wish down. Raises UNKNOWN_CARRIER."""
    known = [str(name) for name in await CarrierRow.all().order_by("name").values_list("name", flat=True)]
    if act.carrier not in known:
        raise UnknownCarrier(carrier=act.carrier, known=known)
    await CarrierRow.filter(name=act.carrier).update(wanted=act.wanted)
    work.record(CarrierAsked(carrier=act.carrier, wanted=act.wanted, by=act.by))
    return Done()
