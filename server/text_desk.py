"""What an operator does with texts and carriers at the server itself: each an act of the office, so the log knows.

All operators act as one actor; the account they are logged in with is said beside it.
"""

import os
import pwd
from collections.abc import Sequence

from alerts.by_hand import (
    MOST_AT_ONCE,
    QueuedText,
    ResendTexts,
    ResentTexts,
    SendText,
    TextContent,
    ViewText,
)
from kernel.db import chunks
from server.desk import done
from server.wiring import System
from sms.orders import AskCarrier, Wanted


async def ask_carrier(system: System, name: str, wanted: Wanted) -> None:
    """Raises UNKNOWN_CARRIER."""
    await done(system, AskCarrier(carrier=name, wanted=wanted, by=account()))


async def send_text(system: System, to: str, words: str, *, at_once: bool) -> QueuedText:
    """Raises TEXT_REFUSED, INVALID."""
    return await done(system, SendText(to=to, words=words, at_once=at_once, by=account()))


async def resend_texts(system: System, texts: Sequence[int], *, even_if_unknown: bool) -> ResentTexts:
    """As many transactions as it takes. One text alone is refused with its reason: TEXT_NOT_RESENT."""
    whole = ResentTexts()
    for chunk in chunks(texts, MOST_AT_ONCE):
        again = ResendTexts(texts=tuple(chunk), even_if_unknown=even_if_unknown, by=account())
        answer = await done(system, again)
        whole = ResentTexts(resent=whole.resent + answer.resent, kept=whole.kept + answer.kept)
    return whole


async def view_text(system: System, text: int) -> TextContent:
    """Raises NOT_FOUND."""
    return await done(system, ViewText(text=text, by=account()))


def account() -> str:
    """Of the system, as it counts us; a container may have no name for it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
