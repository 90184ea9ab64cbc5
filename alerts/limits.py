"""How often one phone is texted: the carriers' limit per template, and the to-dos that become a digest.

Practice of the carriers: one template reaches one phone at most fifty times in 24 hours; what comes more is refused.
Nothing is dropped for a limit: it is held until there is room (alerts/digests.py lets it go). Codes that somebody asks
for are refused at the door that is asked, with its own reason (hall/accounts.py).
The measure: a message goes only while fewer than the limit are on their way or have left within the span. Whatever
waits in the queue counts as leaving any moment, so no span, wherever it begins, ever holds more, however late a
carrier takes them.
Limits: two processes that tell one phone the same thing in the same instant do not see each other, and may be one over
each. A text that is sent again because nobody knows what became of it counts once.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from alerts.outgoing import Channel, Letter
from alerts.settings import AlertRules
from alerts.states import as_json, listed
from alerts.templates import TEMPLATES
from kernel.db import Database, instant

#: Why a message is held.
QUIET_HOURS, OVER_LIMIT = "quiet hours", "over the limit"
TO_DO, DIGEST = TEMPLATES["T01"].id, TEMPLATES["T33"].id
#: When everything that counts is still in the queue, nobody can say when there will be room.
LOOK_AGAIN = timedelta(minutes=1)
#: No message is older and still waits.
_LONGEST_WAIT = timedelta(days=10)

#: Phone and template.
Pair = tuple[str, str]


class Limit(Struct, frozen=True):
    """At most `most` within any `within`."""

    most: int
    within: timedelta


class Standing(Struct, frozen=True):
    """What one phone has of one template: on its way, and when the others left."""

    under_way: int = 0
    left: tuple[datetime, ...] = ()

    def with_more(self, count: int) -> "Standing":
        return Standing(self.under_way + count, self.left)


def limits_of(template: str, rules: AlertRules) -> tuple[Limit, ...]:
    carriers = Limit(rules.same_template_most, rules.same_template_within)
    if template == TO_DO:
        return Limit(rules.digest_over, rules.digest_within), carriers
    if template == DIGEST:
        return Limit(1, rules.digest_within), carriers
    return (carriers,)


def room(standing: Standing, limits: Sequence[Limit], now: datetime) -> int:
    """How many more may go now; negative where a limit was lowered."""
    return min(limit.most - standing.under_way - len(_recent(standing, limit, now)) for limit in limits)


def free_at(standing: Standing, limits: Sequence[Limit], now: datetime) -> datetime:
    """When it is worth looking again: there may be room then, and is none before."""
    waits = [now]
    for limit in limits:
        recent = sorted(_recent(standing, limit, now))
        excess = standing.under_way + len(recent) - limit.most
        if excess >= 0:
            waits.append(recent[excess] + limit.within if excess < len(recent) else now + LOOK_AGAIN)
    return max(waits)


async def standings(
    database: Database, pairs: Collection[Pair], *, rules: AlertRules, now: datetime
) -> Mapping[Pair, Standing]:
    """One statement for all `pairs`; it reads what the limits count, so a few dozen rows of each."""
    if not pairs:
        return {}
    rows = await database.rows(
        "SELECT to_phone, m.template, COALESCE(submitted_at, finished_at) AS left_at FROM message m"
        f" JOIN {listed(database, 1, phone='text', template='text')}"
        " ON m.to_phone = r.phone AND m.template = r.template WHERE m.created_at > $2 AND"
        " (m.state IN ('queued', 'unknown') OR m.submitted_at > $3"
        # Refused or failed at once: the carrier may have counted it.
        " OR (m.state IN ('failed', 'dead', 'expired') AND m.attempts > 0 AND m.finished_at > $3))",
        as_json({"phone": phone, "template": template} for phone, template in sorted(pairs)),
        now - _LONGEST_WAIT,
        now - max(rules.same_template_within, rules.digest_within),
    )
    under_way: Counter[Pair] = Counter()
    left: dict[Pair, list[datetime]] = {}
    for row in rows:
        pair, at = (str(row["to_phone"]), str(row["template"])), instant(row["left_at"])
        if at is None:
            under_way[pair] += 1
        else:
            left.setdefault(pair, []).append(at)
    return {pair: Standing(under_way[pair], tuple(left.get(pair, ()))) for pair in pairs}


async def hold_back(database: Database, letters: Sequence[Letter], *, rules: AlertRules, now: datetime) -> list[Letter]:
    """The same letters; those whose hour has not come, or for which there is no room, are to be held."""
    at_once = [letter for letter in letters if letter.channel is Channel.SMS and letter.send_after <= now]
    standing = await standings(database, {_pair(letter) for letter in at_once}, rules=rules, now=now)
    taken: Counter[Pair] = Counter()
    result: list[Letter] = []
    for letter in letters:
        if letter.send_after > now:
            letter = replace(letter, held_until=letter.send_after, why_held=QUIET_HOURS)
        elif letter.channel is Channel.SMS:
            pair, limits = _pair(letter), limits_of(letter.text.template.id, rules)
            if room(standing[pair], limits, now) > taken[pair]:
                taken[pair] += 1
            else:
                letter = _over_limit(letter, standing[pair], limits, rules, now)
        result.append(letter)
    return result


# ------------------------------------------------------------------------------------------------------------ below


def _pair(letter: Letter) -> Pair:
    return letter.to, letter.text.template.id


def _over_limit(
    letter: Letter, standing: Standing, limits: Sequence[Limit], rules: AlertRules, now: datetime
) -> Letter:
    is_todo = letter.text.template.id == TO_DO
    until = now + rules.digest_within if is_todo else max(free_at(standing, limits, now), now + LOOK_AGAIN)
    if letter.quiet:
        until = rules.quiet_end(until) or until
    # A code ends when it ends; anything else is as good as ever when it is let go.
    expires_at = letter.expires_at if letter.text.code else letter.expires_at + (until - now)
    return replace(letter, held_until=until, why_held=OVER_LIMIT, expires_at=expires_at)


def _recent(standing: Standing, limit: Limit, now: datetime) -> list[datetime]:
    return [at for at in standing.left if at > now - limit.within]
