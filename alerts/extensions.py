"""Extension numbers (扩展码): digits behind the access number, by which an answer names the text it answers.

A text that carries a code to answer with leaves from a number of its own, where the deployment's access numbers allow
more digits. The numbers one phone was given within REMEMBERED are all different, and drawn, not counted: whoever has
another phone cannot guess one. What an answer to such a number means is judged by sms/mo_extensions.py.

Limits: two processes that text one phone in the same instant do not see each other; two texts with one number name
neither. A deployment whose access number is not in the settings may draw its last digits, once in 10^digits.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from alerts.outgoing import Channel, Letter
from alerts.settings import AlertRules
from alerts.states import as_json, listed
from alerts.texts import Code
from hall.ratings import PURPOSE as RATING
from kernel.db import Database
from supervision.reply_codes import PURPOSE as CARD_REPLY

#: Codes that people text back. Others open something elsewhere: a progress, a login.
ANSWERED = frozenset({CARD_REPLY, RATING})
#: Longer than any code is good for.
REMEMBERED = timedelta(days=60)
#: Access number and extension together, in SMPP as in CMPP and at a MAS.
MOST_DIGITS = 20
#: Beyond so many draws the phone has been given nearly every number there is, and gets none.
_DRAWS = 50


class Named(Struct, frozen=True):
    """A request of ours that one phone was asked with."""

    extension: str
    code: Code


async def extended(
    database: Database, letters: Sequence[Letter], *, rules: AlertRules, now: datetime
) -> Sequence[Letter]:
    """`letters`, those that ask for an answer with a number of their own."""
    asking = [letter for letter in letters if _asks(letter)] if rules.extension_digits else []
    if not asking:
        return letters
    taken = await _taken(database, {letter.to for letter in asking}, now)
    drawn = {letter.dedupe_key: _draw(taken[letter.to], rules) for letter in asking}
    return [replace(letter, extension=drawn.get(letter.dedupe_key, letter.extension)) for letter in letters]


async def asked_of(database: Database, phone: str, *, now: datetime) -> list[Named]:
    """What `phone` was asked, each with the number it was asked from, the newest first."""
    rows = await database.rows(
        "SELECT extension, secret FROM message WHERE to_phone = $1 AND created_at > $2 AND extension <> ''"
        " AND secret <> '' ORDER BY id DESC",
        phone,
        now - REMEMBERED,
    )
    return [Named(str(row["extension"]), _code(str(row["secret"]))) for row in rows]


def _asks(letter: Letter) -> bool:
    code = letter.text.code
    return letter.channel is Channel.SMS and code is not None and code.purpose in ANSWERED


async def _taken(database: Database, phones: set[str], now: datetime) -> dict[str, set[str]]:
    taken: dict[str, set[str]] = {phone: set() for phone in phones}
    for row in await database.rows(
        f"SELECT to_phone, extension FROM message JOIN {listed(database, 1, phone='text')} ON to_phone = r.phone"
        " WHERE created_at > $2 AND extension <> ''",
        as_json({"phone": phone} for phone in phones),
        now - REMEMBERED,
    ):
        taken[str(row["to_phone"])].add(str(row["extension"]))
    return taken


def _draw(taken: set[str], rules: AlertRules) -> str:
    digits = rules.extension_digits
    if any(len(each) + digits > MOST_DIGITS for each in rules.access_numbers):
        return ""  # the text matters more than its answer
    for _ in range(_DRAWS):
        # No zero in front: some carriers keep the extension as a number.
        number = str(10 ** (digits - 1) + secrets.randbelow(9 * 10 ** (digits - 1)))
        # An answer to the bare access number must not look like one to an extension.
        if number not in taken and not any(each.endswith(number) for each in rules.access_numbers):
            taken.add(number)
            return number
    return ""


def _code(secret: str) -> Code:
    purpose, value, digits = secret.split("|")
    return Code(purpose, value, int(digits))
