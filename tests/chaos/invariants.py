"""What must hold whatever happened: judged from the database, from what carriers took, and from what phones show.

Every text reaches a final state; a part whose submit_resp was recorded is never sent again; a code goes twice only when
nobody knew what became of it and CODE_WAIT has passed; every text from a person is kept once, performed once and
answered once; the log of events is whole.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise

from msgspec import Struct

from alerts.states import CODE_WAIT, FINAL
from kernel.db import Row, instant_of
from kernel.log import verify
from tests.chaos.world import Taken, World

#: More of one kind are counted, not shown.
SHOWN = 3


class Verdict(Struct, frozen=True):
    """`repeated`: parts that were sent again, rightly. `violations` are sentences; none: it holds."""

    states: Mapping[str, int]
    taken: int
    repeated: int
    people: int
    violations: tuple[str, ...]


async def judged(world: World) -> Verdict:
    """To be asked when nothing moves any more."""
    database = world.database
    states = await world.states()
    parts = await database.rows(
        "SELECT m.to_phone, p.seq, p.carrier, p.sms_id FROM message_part p JOIN message m ON m.id = p.message_id"
    )
    sent: dict[tuple[str, int], list[Taken]] = defaultdict(list)
    for taken in world.taken:
        sent[taken.phone, taken.number].append(taken)
    violations = [
        *unfinished(states),
        *sent_after_they_were_recorded(parts, sent),
        *hasty_codes(world, sent),
        *wrong_phones(world, {str(row["to_phone"]): row for row in await _messages(world)}),
        *await people(world),
    ]
    if (broken := (await verify(database)).broken) is not None:
        violations.append(f"the log of events is broken: {broken}")
    return Verdict(
        states=states,
        taken=len(world.taken),
        repeated=sum(len(each) - 1 for each in sent.values()),
        people=len(world.people),
        violations=tuple(few(violations)),
    )


def unfinished(states: Mapping[str, int]) -> Iterator[str]:
    for state, count in states.items():
        if state not in FINAL:
            yield f"unfinished: {count} texts are {state}"


def sent_after_they_were_recorded(parts: list[Row], sent: Mapping[tuple[str, int], list[Taken]]) -> Iterator[str]:
    seen: Counter[tuple[str, int]] = Counter()
    for row in parts:
        key = str(row["to_phone"]), int(str(row["seq"]))
        seen[key] += 1
        ids = [_is_id(taken, row) for taken in sent[key]]
        if seen[key] > 1:
            yield f"recorded twice: part {key[1]} for {key[0]}"
        elif True not in ids:
            yield f"recorded and never taken: part {key[1]} for {key[0]}"
        elif not ids[-1]:
            yield f"sent again after its submit_resp was recorded: part {key[1]} for {key[0]}"


def _is_id(taken: Taken, row: Row) -> bool:
    # A cloud MAS gives one id to a group; its row has the phone behind it.
    return taken.carrier == row["carrier"] and str(row["sms_id"]).startswith(taken.sms_id)


def hasty_codes(world: World, sent: Mapping[tuple[str, int], list[Taken]]) -> Iterator[str]:
    for (phone, _), each in sent.items():
        if phone in world.expected and world.expected[phone].is_code:
            for first, again in pairwise(each):
                if again.at - first.at < CODE_WAIT:
                    yield f"code sent again too soon: after {(again.at - first.at).total_seconds():.1f} s to {phone}"


async def _messages(world: World) -> list[Row]:
    return await world.database.rows("SELECT to_phone, state, dedupe_key FROM message")


def wrong_phones(world: World, messages: Mapping[str, Row]) -> Iterator[str]:
    for phone, expected in world.expected.items():
        shown, state = world.inbox(phone), messages[phone]["state"]
        if set(shown) - {expected.words}:
            yield f"another text arrived at {phone}"
        if state == "delivered" and not shown:
            yield f"delivered and not on the phone: {phone}"


async def people(world: World) -> Iterator[str]:
    """Each of `people` has texted once."""
    database = world.database
    kept = defaultdict[str, list[datetime]](list)
    for row in await database.rows("SELECT sender, received_at FROM inbound_message ORDER BY id"):
        kept[str(row["sender"])].append(instant_of(row["received_at"]))
    unhandled = await database.rows("SELECT id FROM inbound_message WHERE handled_at IS NULL")
    sealed = Counter(str(row["inbound"]) for row in await database.rows("SELECT inbound FROM evidence_record"))
    logged = await database.rows("SELECT id FROM event WHERE tag = 'card.reply_refused'")
    answers = Counter(
        str(row["to_phone"]) for row in await _messages(world) if str(row["dedupe_key"]).startswith("reply:")
    )
    found = []
    for phone, texting in world.people.items():
        if not texting.done():
            found.append(f"never acknowledged: a text from {phone}")
        elif not kept[phone]:
            found.append(f"lost: a text from {phone}")
        elif len(kept[phone]) > 1:
            apart_s = (kept[phone][-1] - kept[phone][0]).total_seconds()
            found.append(f"kept {len(kept[phone])} times: a text from {phone}, {apart_s:.0f} s apart")
        elif answers[phone] != 1:
            found.append(f"answered {answers[phone]} times: a text from {phone}")
        elif not world.inbox(phone):
            found.append(f"no answer arrived at {phone}")
    if unhandled:
        found.append(f"not handled: {len(unhandled)} texts from people")
    if len(logged) != len(world.people) or any(count > 1 for count in sealed.values()):
        found.append(f"performed {len(logged)} times: {len(world.people)} texts from people")
    return iter(found)


def few(violations: list[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for violation in violations:
        kind = violation.partition(":")[0]
        seen[kind] += 1
        if seen[kind] <= SHOWN:
            yield violation
    for kind, count in seen.items():
        if count > SHOWN:
            yield f"{kind}: {count} in all"
