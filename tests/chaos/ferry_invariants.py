"""What must hold between two zones whatever happened: read from both databases and folders when nothing moves.

Both sides agree exactly; every act was performed once and answered with what is recorded inside; a text was queued
outside once and no part of it sent again after a carrier had answered for it; mirrored tables show what stands inside;
nothing secret is outside in any octet, sealed or opened. After a database was put back the same holds, but for what it
forgot, number by number: see `Restore`.
"""

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

from ferry.opening import check, unseal
from ferry.parcel import U32, Label, read_header
from ferry.refusals import RecordExpired
from ferry.tables import LEFT_OUT
from ferry.zones.acting import Answer
from ferry.zones.mirrored import MIRRORED, Mirrored, Way
from kernel.db import Row
from kernel.log import verify
from server.ferry_stations import station
from server.settings import read
from server.wiring import open_system, sqlite_file
from tests.chaos.ferry_meeting import CANARY, CANARY_PHONE, SECRET_ITEM
from tests.chaos.ferry_zones import Restore, Zone, Zones
from tests.chaos.invariants import (
    few,
    hasty_codes,
    people,
    sent_after_they_were_recorded,
    unfinished,
    wrong_phones,
)
from tests.chaos.world import Taken

#: Refused without anybody having a key who should not, only where a side was restored. It gives numbers anew until it
#: hears; and of an epoch that ended nothing is taken any more.
_EQUIVOCAL, _RETIRED = "PARCEL_EQUIVOCAL", "PARCEL_RETIRED"


class Verdict(Struct, frozen=True):
    figures: str
    violations: tuple[str, ...]


async def judged(zones: Zones) -> Verdict:
    """To be asked when nothing moves and nobody serves any more."""
    outer, inner = zones.both
    violations: list[str] = []
    for sender, receiver in ((outer, inner), (inner, outer)):
        violations += await _channels(sender, receiver, zones.restores)
    acts = await _acts(zones)
    violations += acts
    violations += await _attachments(zones)
    violations += await _texts(zones)
    violations += await _mirror(zones)
    violations += await _canary(zones)
    for zone in zones.both:
        with zone.neighbour.here():
            if (broken := (await verify(zone.database)).broken) is not None:
                violations.append(f"the log of events is broken: {zone.own}, {broken}")
    return Verdict(figures=await _figures(zones), violations=tuple(few(violations)))


async def _figures(zones: Zones) -> str:
    parcels = [await _count(zone, "SELECT COALESCE(SUM(seq), 0) AS n FROM (SELECT MAX(seq) AS seq FROM ferry_inbox"
                                  " GROUP BY peer, lane, epoch) AS heads") for zone in zones.both]  # fmt: skip
    records = [await _count(zone, "SELECT COUNT(*) AS n FROM ferry_applied") for zone in zones.both]
    refused = [await _count(zone, "SELECT COALESCE(SUM(times), 0) AS n FROM ferry_quarantine") for zone in zones.both]
    texts = sum(1 for phone in zones.inner.expected if zones.inner.inbox(phone))
    return (
        f"{zones.kills} kills; {len(zones.filings.all)} filed, {texts} texts, {len(zones.inner.people)} from people;"
        f" {sum(parcels)} parcels, {sum(records)} records, {sum(refused)} files refused"
    )


async def _count(zone: Zone, sql: str) -> int:
    return int(str((await zone.database.rows(sql))[0]["n"]))


# ------------------------------------------------------------------------------------------------------------ channels
async def _channels(sender: Zone, receiver: Zone, restores: Sequence[Restore]) -> list[str]:
    there, here = sender.database, receiver.database
    found = []
    heads = await there.rows("SELECT lane, epoch, head_seq AS seq, head_id AS id FROM ferry_channel ORDER BY lane")
    cursors = await here.rows("SELECT lane, epoch, applied AS seq, content_id AS id FROM ferry_cursor ORDER BY lane")
    for head, cursor in zip(heads, cursors, strict=True):
        if head != cursor:
            found.append(f"heads differ: {sender.own} told {head}, {receiver.own} applied {cursor}")
    parcels = {
        (row["lane"], row["epoch"], row["seq"]): row
        for row in await there.rows("SELECT lane, epoch, seq, content_id, state FROM ferry_parcel")
    }
    inbox = {
        (row["lane"], row["epoch"], row["seq"]): row["content_id"]
        for row in await here.rows("SELECT lane, epoch, seq, content_id FROM ferry_inbox")
    }
    for head in heads:
        for seq in range(1, int(str(head["seq"])) + 1):
            key = (head["lane"], head["epoch"], seq)
            if key not in parcels or inbox.get(key) != parcels[key]["content_id"]:
                found.append(f"ranges differ: {sender.own} to {receiver.own}, {key}")
            elif parcels[key]["state"] != "acked":
                found.append(f"never acknowledged: {sender.own} to {receiver.own}, {key}")
    forgotten = {number for each in restores if each.own == sender.own for number in each.numbers}
    if strange := inbox.keys() - parcels.keys() - forgotten:
        found.append(f"applied and never sent: {sorted(strange)[:3]}")
    found += await _records(sender, receiver, restores)
    if await here.rows("SELECT id FROM ferry_held"):
        found.append(f"held for ever: at {receiver.own}")
    if frozen := await here.rows("SELECT lane, frozen_why FROM ferry_cursor WHERE frozen_why <> ''"):
        found.append(f"a lane stands still: {frozen}")
    if stuck := await there.rows("SELECT lane, wanted FROM ferry_channel WHERE wanted <> 'running'"):
        found.append(f"a lane stands still: {stuck}")
    epochs = await _count(receiver, "SELECT COUNT(*) AS n FROM ferry_epoch")
    # Whoever forgot begins one, and so does who hears of it.
    if epochs != 1 + len(restores):
        found.append(f"an epoch was begun to heal what broke: {epochs} of {sender.own}")
    present = {head["epoch"] for head in heads}
    for row in await here.rows(
        "SELECT sha256, code FROM ferry_quarantine WHERE code IN ($1, $2)", _EQUIVOCAL, _RETIRED
    ):
        label = _label(receiver, str(row["sha256"]))
        number = (label.channel.rpartition(".")[2], label.epoch, label.seq)
        if not restores or (number not in forgotten if row["code"] == _EQUIVOCAL else label.epoch in present):
            found.append(f"refused what was in order: {row['code']}, {number}")
    return found


def _label(zone: Zone, sha256: str) -> Label:
    """What a file in the quarantine says it is."""
    (path,) = zone.folder.rglob(f"quarantine/{sha256}.fry")
    octets = path.read_bytes()
    return read_header(octets[8 : 8 + U32.unpack(octets[4:8])[0]]).label


async def _records(sender: Zone, receiver: Zone, restores: Sequence[Restore]) -> list[str]:
    """Each took effect on the other side or was refused there aloud; none came from nowhere."""
    found = []
    handed = await sender.database.rows(
        "SELECT r.rid, r.refused, s.parcel FROM ferry_record r LEFT JOIN ferry_place s ON s.id = r.id"
    )
    left_out = {str(row["rid"]) for row in handed if row["parcel"] == LEFT_OUT}
    sent = {str(row["rid"]): str(row["refused"]) for row in handed if row["parcel"] != LEFT_OUT}
    applied = Counter(str(row["rid"]) for row in await receiver.database.rows("SELECT rid FROM ferry_applied"))
    poison = await receiver.database.rows("SELECT rid, code FROM ferry_poison")
    refused = {str(row["rid"]) for row in poison}
    found += [
        f"refused what was in order: record {row['rid']}, {row['code']}"
        for row in poison
        if row["code"] != RecordExpired.code
    ]
    for rid, code in sent.items():
        if not code and not applied[rid]:
            found.append(f"lost: record {rid} from {sender.own}")
        if rid in refused and not code:
            found.append(f"lost: record {rid} was refused, and {sender.own} does not know")
    forgotten = {rid for each in restores if each.own == sender.own for rid in each.records}
    if strange := applied.keys() - sent.keys() - forgotten - left_out:
        found.append(f"from nowhere: records {sorted(strange)[:3]} at {receiver.own}")
    return found


# ---------------------------------------------------------------------------------------------------------------- acts
async def _acts(zones: Zones) -> list[str]:
    outer, inner = zones.both
    found = []
    if zones.filings.given_up > inner.kills // 3 and not zones.has_lost_writes:
        found.append(f"given up: {zones.filings.given_up} acts, and the inner zone died {inner.kills} times")
    cases: dict[str, list[str]] = {}
    for row in await inner.database.rows("SELECT applicant_phone, number FROM case_file ORDER BY id"):
        cases.setdefault(str(row["applicant_phone"]), []).append(str(row["number"]))
    for filing in zones.filings.all:
        made = cases.get(filing.phone, [])
        if filing.answer is None:
            found.append(f"never answered: {filing.key}")
        elif filing.is_wrong:
            if made or filing.answer["__typename"] != "Refusal":
                found.append(f"not refused: {filing.key}, {made}")
        elif len(made) != 1:
            found.append(f"performed {len(made)} times: {filing.key}, {filing.answer}")
        elif filing.answer.get("number") != made[0]:
            found.append(f"answered otherwise: {filing.key} is {made[0]} and was told {filing.answer}")
    arrived = {
        str(row["rid"]): str(row["outcome"])
        for row in await inner.database.rows("SELECT rid, outcome FROM arrived_act")
    }
    for row in await outer.database.rows("SELECT rid, key, outcome FROM relayed_act"):
        rid, outcome = str(row["rid"]), arrived.get(str(row["rid"]))
        if not row["outcome"] or not outcome:
            found.append(f"never answered: act {rid} ({row['key']}), inside {outcome!r}")
            continue
        answer = msgspec.json.decode(str(row["outcome"]), type=Answer)
        if (answer.refused or "DONE") != outcome:
            found.append(f"answered otherwise: act {rid} came to {outcome} and was told {answer.refused or 'DONE'}")
    return found


async def _attachments(zones: Zones) -> list[str]:
    found = []
    for filing in zones.filings.all:
        if filing.attachment and filing.answer is not None:
            path = zones.inner.folder / "var" / "files" / filing.attachment[:2] / filing.attachment
            kept = (
                list((zones.inner.folder / "var" / "files").rglob(filing.attachment)) if not path.exists() else [path]
            )
            if not kept or kept[0].read_bytes() != filing.picture:
                found.append(f"lost: the attachment of {filing.key}")
    return found


# --------------------------------------------------------------------------------------------------------------- texts
async def _texts(zones: Zones) -> list[str]:
    outer, inner = zones.both
    found = [*unfinished(await outer.states()), *unfinished(await inner.states())]
    messages = {str(row["to_phone"]): row for row in await inner.database.rows("SELECT to_phone, state FROM message")}
    found += wrong_phones(inner, messages)
    found += await people(inner)
    phones = {
        str(row["rid"]): str(row["to_phone"])
        for row in await inner.database.rows(
            "SELECT a.rid, m.to_phone FROM text_across a JOIN message m ON m.id = a.reference"
        )
    }
    parts = await outer.database.rows(
        "SELECT f.rid, p.seq, p.carrier, p.sms_id FROM message_part p"
        " JOIN text_ferried f ON f.message_id = p.message_id"
    )
    per_part = Counter((row["rid"], row["seq"]) for row in parts)
    found += [f"recorded twice: part {seq} of {rid}" for (rid, seq), count in per_part.items() if count > 1]
    # Phones that get one text only: what they are sent is about that one.
    parts = [{**row, "to_phone": phones.get(str(row["rid"]), "")} for row in parts]
    sent: dict[tuple[str, int], list[Taken]] = {}
    for taken in outer.taken:
        if taken.phone in inner.expected:
            sent.setdefault((taken.phone, taken.number), []).append(taken)
    found += sent_after_they_were_recorded([row for row in parts if row["to_phone"] in inner.expected], sent)
    found += hasty_codes(inner, sent)
    unknown = {phone for each in zones.restores for phone in each.unknown}
    if zones.restores or not (outer.kills or zones.has_lost_writes):
        for phone in inner.expected.keys() - unknown:
            if twice := [words for words, times in Counter(inner.inbox(phone)).items() if times > 1]:
                found.append(f"sent again, and what became of it was known: {twice[0][:12]} to {phone}")
    queued = Counter(
        phones.get(str(row["rid"]), "") for row in await outer.database.rows("SELECT rid FROM text_ferried")
    )
    twice = [phone for phone in inner.expected.keys() - unknown if queued[phone] > 1]
    found += [f"queued outside {queued[phone]} times: the text to {phone}" for phone in twice]
    for phone, expected in inner.expected.items():
        if expected.words not in inner.inbox(phone):
            found.append(f"lost: the text to {phone}, {messages[phone]['state']}")
    return found


# -------------------------------------------------------------------------------------------------------------- mirror
async def _mirror(zones: Zones) -> list[str]:
    """Row by row, by the closed list: outside stands what stands inside, but for what is secret."""
    outer, inner = zones.both
    secret = await _secret(inner)
    found = []
    for table in MIRRORED:
        inside = {_shown(table, row) for row in await _rows(inner, table) if not _is_secret(row, secret)}
        outside = {_shown(table, row) for row in await _rows(outer, table, is_copy=True)}
        for word, rows in (("missing outside", inside - outside), ("only outside", outside - inside)):
            found += [f"the mirror differs: {word}, {table.name} {str(row)[:300]}" for row in sorted(rows, key=str)[:2]]
    return found


async def _rows(zone: Zone, table: Mirrored, *, is_copy: bool = False) -> list[Row]:
    rows = await zone.database.rows(f"SELECT * FROM {table.name}")
    for name, allowed in table.only.items():
        rows = [row for row in rows if row[name] in allowed]
    if table.of == "subject":
        rows = [row for row in rows if str(row[table.by]).startswith(f"{table.kind}:")]
    own = [name for name, way in table.ways.items() if way is Way.THEIRS]
    if is_copy:
        return [row for row in rows if all(int(str(row[name])) < 0 for name in own)]
    return [{**row, **{name: -int(str(row[name])) for name in own}} for row in rows]


def _shown(table: Mirrored, row: Row) -> tuple[object, ...]:
    values = []
    for name in table.crossing:
        value, way = row[name], table.ways.get(name)
        if way is Way.CHECK:
            continue  # follows from the inner zone's key
        if way is Way.MASKED:
            value = str(value)[-4:]
        if isinstance(value, str) and value[:1] in ("[", "{"):
            with suppress(ValueError):  # text that only looks like it
                value = json.loads(value)
        if isinstance(value, list | dict):
            value = json.dumps(value, sort_keys=True)
        values.append(bytes(value) if isinstance(value, memoryview) else value)
    return tuple(values)


async def _secret(inner: Zone) -> frozenset[object]:
    """Numbers, ids and codes of what is secret, as rows name them."""
    cases = await inner.database.rows("SELECT id, number FROM case_file WHERE secret")
    return frozenset([SECRET_ITEM, *(f"case {row['id']}" for row in cases), *(row["number"] for row in cases),
                      *(f"case:{row['number']}" for row in cases)])  # fmt: skip


def _is_secret(row: Row, secret: frozenset[object]) -> bool:
    named = [row.get(name) for name in ("number", "code", "item_code", "case_number", "subject")]
    return f"case {row.get('case_id')}" in secret or any(name in secret for name in named)


# -------------------------------------------------------------------------------------------------------------- canary
async def _canary(zones: Zones) -> list[str]:
    """In databases, folders and logs outside; in all that crossed; and in that once it is opened."""
    words = (CANARY.encode(), CANARY_PHONE.encode())
    found = []
    outer = zones.outer
    crossed = zones.device.back.swallowed
    places: dict[str, Iterator[bytes]] = {
        "folders": (path.read_bytes() for path in outer.folder.rglob("*") if path.is_file()),
        "what crossed": (octets for _, octets in crossed),
        "the opened parcels": iter(await _opened(outer, [octets for _, octets in crossed])),
    }
    if sqlite_file(outer.database.url) is None:
        places["the database"] = iter(await _dumped(outer))
    for name, contents in places.items():
        if any(word in content for content in contents for word in words):
            found.append(f"a secret is outside: in {name}")
    return found


async def _dumped(zone: Zone) -> list[bytes]:
    tables = await zone.database.rows("SELECT table_name AS name FROM information_schema.tables"
                                      " WHERE table_schema = 'public'")  # fmt: skip
    return [
        json.dumps([dict(row) for row in await zone.database.rows(f'SELECT * FROM "{table["name"]}"')], default=repr)
        .encode()
        for table in tables
    ]  # fmt: skip


async def _opened(outer: Zone, parcels: Sequence[bytes]) -> list[bytes]:
    """What the outer zone could read of all that ever came."""
    plain: list[bytes] = []

    def keep(_sha256: str, _offset: int, content: bytes) -> None:
        plain.append(content)

    async with open_system(read(outer.config.read_bytes(), {})) as system:
        end, _ = await station(system, outer.peer)
        for octets in parcels:
            source = io.BytesIO(octets)
            checked = check(source, end.keys.sender)
            sender, own = end.keys.sender(checked.header), end.keys.own(checked.header)
            said = unseal(source, checked, own, sender, keep)
            plain += said.records
    if parcels and not plain:
        raise RuntimeError("nothing could be opened")
    return plain
