"""Where a zone can be killed: the ferry's own named points, and functions of what crosses by it.

At the ferry's own, which its trials in one process use as well (`Station.reach` and its like), this process kills
itself. What is written "in the transaction" is the last call before the commit.
"""

import functools
import os
import signal
from collections.abc import Mapping
from types import MappingProxyType

from tests.chaos.kill_points import Point, dying, place_of

#: Of the engine, on either side: sealing, writing, renaming, opening, applying, acknowledging.
ENGINE = (
    "before commit A", "after commit A", "after tmp", "after rename", "after commit B",
    "after pieces", "before apply commit", "after apply commit", "before remove", "after remove",
    "after hold file", "after hold", "after status tmp", "after status put",
)  # fmt: skip
#: Inside: attachments put together, acts performed and answered, texts handed over and reported.
INSIDE = (
    "after assembly", "after claim", "after act", "before answer commit",
    "before hand over", "after hand over", "before told", "after told",
)  # fmt: skip
EITHER_CALL: Mapping[str, Point] = MappingProxyType(
    {
        "status numbered": Point("ferry.engine", "compose"),
        "status heeded": Point("ferry.incoming", "heed"),  # acknowledged
    }
)
OUTER_CALL: Mapping[str, Point] = MappingProxyType(
    {
        "act handed over": Point("ferry.zones.relaying", "hand_over"),  # in the transaction
        "act on its way": Point("ferry.zones.relaying", "RelayOffice._sent"),
        "outcome arriving": Point("ferry.zones.acting", "_answered"),  # in the transaction
        "outcome told": Point("ferry.zones.relaying", "RelayOffice._given"),  # the phone has not heard it
        "attachment handed over": Point("ferry.zones.relaying", "hand_over_file"),  # in the transaction
        "attachment judged": Point("ferry.inspecting", "judge_waiting"),
        "texts taken": Point("ferry.zones.texts", "_take_texts"),  # in the transaction
        "reports handed over": Point("server.ferry_inbox", "report_texts"),
        "a person's text kept": Point("server.ferry_inbox", "RelayInbox.take"),
        "a person's text handed over": Point("server.ferry_inbox", "RelayInbox._hand_over"),
        "state written": Point("ferry.zones.mirroring", "_replace"),  # in the transaction
    }
)
INNER_CALL: Mapping[str, Point] = MappingProxyType(
    {
        "act arriving": Point("ferry.zones.performing", "Performer._claimed", is_before=True),
        "act performing": Point("kernel.office", "Office._remember"),  # in the transaction
        "act answered": Point("ferry.zones.performing", "Performer._answer"),
        "reports taken": Point("ferry.zones.texts", "_take_reports"),  # in the transaction
        "a person's text taken": Point("server.ferry_stations", "keep_arrived"),  # in the transaction
        "state told": Point("ferry.zones.mirror", "Mirror._tell_states"),  # in the transaction
    }
)
OUTER = (*ENGINE, *EITHER_CALL, *OUTER_CALL)
INNER = (*ENGINE, *INSIDE, *EITHER_CALL, *INNER_CALL)
_CALLS = {**EITHER_CALL, **OUTER_CALL, **INNER_CALL}
_REACHED = frozenset((*ENGINE, *INSIDE))
NAMES = frozenset((*OUTER, *INNER))


def die_at(name: str, more: int = 0) -> None:
    """This process will kill itself at `name`, `more` passages later than the first."""
    if name in _CALLS:
        point = _CALLS[name]
        owner, attribute = place_of(point.module, point.function)
        setattr(owner, attribute, dying(getattr(owner, attribute), point, point.passage + more))
        return
    assert name in _REACHED
    reach = functools.partial(_reach, name, iter(range(more)))
    for module, function in (
        ("ferry.station", "Station.__init__"),
        ("ferry.zones.performing", "Performer.__init__"),
        ("server.ferry_carrier", "TextFerry.__init__"),
    ):
        owner, attribute = place_of(module, function)
        defaults = getattr(owner, attribute).__kwdefaults__
        assert "reach" in defaults
        defaults["reach"] = reach


def _reach(name: str, spared, point: str) -> None:
    if point == name and next(spared, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
