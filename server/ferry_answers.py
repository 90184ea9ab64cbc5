"""Which answers to cards that came by the outer zone are believed.

Whoever holds that zone can write a text from any number. So a code counts only from the number to which a text with
it was handed out that way, while the code is alive (supervision/reply_codes.py lets it act once); and where codes
do not go out at all (`ferry.card_codes = "inside"`), none that comes in counts.
Limits: what a text did carry outside is known there. The settings say what to do against that.
"""

from alerts.outgoing import words_with_code
from ferry.zones.texts_inside import codes_across
from kernel.chance import Secrets
from kernel.clock import Clock
from kernel.db import Database
from server.carrier_settings import FerryCarrier
from server.settings import Settings
from sms.tables import InboundMessage
from supervision.reply_codes import is_live_code


def goes_across(settings: Settings) -> bool:
    """Whether texts with codes that act on cards may go out by the outer zone's carriers."""
    return settings.ferry.card_codes == "across"


def texts_codes(settings: Settings) -> bool:
    """Whether leaders get codes by text at all: some carrier must be allowed to bring them."""
    if settings.ferry.zone != "inner" or goes_across(settings):
        return True
    return any(not isinstance(carrier, FerryCarrier) for carrier in settings.sms.carriers)


class AnswersAcross:
    """Asked by the inbox about each text with a card's code."""

    def __init__(self, database: Database, clock: Clock, secrets: Secrets, *, goes_across: bool, digits: int) -> None:
        self._database, self._clock, self._secrets = database, clock, secrets
        self._goes_across, self._digits = goes_across, digits

    async def __call__(self, message: InboundMessage, code: str) -> bool:
        if not message.via:
            return True
        if not self._goes_across:
            return False
        now = self._clock.now()
        sent = await codes_across(self._database, message.via, message.sender, now=now)
        if code in {words_with_code("▒", secret, self._secrets) for secret in sent}:
            return True
        # A wrong one is counted like every wrong one; a right one that was never sent there is a guess.
        return not await is_live_code(self._secrets, message.sender, code, digits=self._digits, now=now)
