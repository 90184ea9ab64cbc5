"""Which of our acknowledgements a carrier has certainly read: it has answered something that we said after them.

Octets of one connection are read in order, so whoever answers a request of ours has read all we said before it. Where
nothing follows an acknowledgement by itself, the peer is asked whether it is there, within a second. What was not
proved when a connection ended stays unknown.
Source: SMPP 3.4 §2.4, CMPP 3.0 §6.4: every request is answered, over the connection it came by.
"""

import asyncio
from collections import deque
from typing import Final

from sms.conversation import Conversation, Submitted

#: From an acknowledgement until the peer is asked, and between two looks.
ASK_AFTER_S: Final = 1.0
#: Sequence numbers go round here, in SMPP as in CMPP.
_ROUND: Final = 0x7FFFFFFF


class Unread:
    """Those of one connection, the oldest first."""

    def __init__(self) -> None:
        #: The request of ours before each, when it was said, and who wants to know.
        self._said: deque[tuple[int, float, asyncio.Future[None]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._said)

    def put(self, session: Conversation[Submitted], was_read: "asyncio.Future[None]", now: float) -> None:
        """An acknowledgement that `session` has just been given to say."""
        self._said.append((session.requested, now, was_read))

    def look(self, session: Conversation[Submitted], now: float) -> float | None:
        """Makes true what is proved, asks the peer if it is time; when to be called again, if something is left."""
        while self._said and _is_later(session.answered, self._said[0][0]):
            self._said.popleft()[2].set_result(None)
        if not self._said:
            return None
        due = self._said[0][1] + ASK_AFTER_S
        if now < due:
            return due
        if self._said[-1][0] == session.requested:
            session.probe(now)
        return now + ASK_AFTER_S


def _is_later(number: int, than: int) -> bool:
    """Of two requests of one connection."""
    return 0 < (number - than) % _ROUND < _ROUND // 2
