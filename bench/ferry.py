"""What crossing costs: records sealed, opened and applied a second, attachments in MB/s, an urgent record's way.

In one run, against peers that do less: `records` against `zstd | openssl cms -sign | openssl cms -encrypt` of the same
octets in one file, without numbers, order, acknowledgement or a database; `attachments` against `age` of the same
file; both against the disk, which is the same octets written and synced. Sealing is from waiting rows to synced files
that another zone may take; applying is from those files to committed rows, exactly once, with the cursor in the same
transaction. Both zones run in this process, each with a database of its own. The promises: 30 000 records of one
kilobyte sealed a second, 8 000 applied; attachments at 150 MB/s with flat memory; an urgent record visible on the
other side within a second (p99), beside a bulk transfer. The last line is JSON.

Measured on two cores that others use too, whole: 37 500 sealed and 15 500 applied a second on PostgreSQL, 60 300 and
19 500 on SQLite; in a slow hour 31 500 and 12 800 on PostgreSQL, quick on SQLite 28 800 and 13 800; of three quick runs
beside heavy work 18 500, 39 200 and 48 600 sealed, 10 200 to 21 400 applied, on PostgreSQL. A whole run is 0.12 to 0.26
of the pipeline's speed, which has one file and no rows. To find and number a record takes PostgreSQL 7 to 8 µs, for its
place is a narrow row; it took 16 to 18 when the record was written anew (docs/adr/0041). An attachment: 351 to 558 MB/s
sealed, 149 (in the slow hour) to 262 opened, 0.6 to 2.7 and 0.4 to 0.5 of age, which neither signs nor reads twice;
memory grew by 34 MiB. Urgent: 0.23 to 0.24 s (p50), 0.24 to 0.52 s (p99), of which the loops' rest is 0.2.

    python -m bench.ferry [--quick] [--sqlite]
"""

# ruff: noqa: E402
import sys
from pathlib import Path

# Run as a file, this folder would come first, and `ferry` would be this bench instead of the package.
sys.path[0] = str(Path(__file__).parents[1])

import argparse
import asyncio
import hashlib
import json
import os
import resource
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from bench._ferry_zones import KEYS, Side, address, envelope, sealing_keys
from bench._machine import create_database
from ferry.opening import check, unseal
from ferry.outgoing import hand_over, hand_over_file
from ferry.parcel import MAX_PIECE_OCTETS, Label, Piece
from ferry.records import Direction
from ferry.sealing import seal
from ferry.station import SCHEMA
from kernel.clock import SystemClock
from tools.postgres import NoPostgres, Postgres

MIB = 1 << 20


@dataclass(frozen=True)
class Effort:
    records: int
    attachment: int
    urgent: int


QUICK = Effort(records=20_000, attachment=128 * MIB, urgent=60)
FULL = Effort(records=100_000, attachment=1024 * MIB, urgent=300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the records, an eighth of the attachment")
    parser.add_argument("--sqlite", action="store_true", help="two SQLite files instead of two PostgreSQL databases")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="zb-bench-") as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), effort, on_sqlite=options.sqlite))))


async def measure(folder: Path, effort: Effort, *, on_sqlite: bool) -> dict[str, object]:
    # Flat memory is told before anything else has grown it.
    told = attachments(folder, effort.attachment)
    server = None if on_sqlite else _postgres()
    try:
        outer, inner = [Side(own, peer, folder) for own, peer in (("outer", "inner"), ("inner", "outer"))]
        for side in (outer, inner):
            await side.open(await create_database(server, side.own) if server else f"sqlite://{folder}/{side.own}.db")
        told |= await records(outer, inner, folder, effort.records)
        told |= await urgent(outer, inner, folder, effort)
        for side in (outer, inner):
            await side.close()
    finally:
        if server is not None:
            server.stop()
    return told | {"database": "postgres" if server else "sqlite"}


# --------------------------------------------------------------------------------------------------------- records


async def records(outer: "Side", inner: "Side", folder: Path, count: int) -> dict[str, object]:
    bodies = [envelope("bench.state", number) for number in range(count)]
    lines = b"".join(outer.route.types.line(body, Direction.EITHER) + b"\n" for body in bodies)
    print(f"{count:,} records, {len(lines) / MIB:.0f} MiB")
    shell = _sealed_by_shell(folder, lines)
    disk = _timed(lambda: _written(folder / "disk", lines))
    with outer.here():
        handed = time.perf_counter()
        for start in range(0, count, 1000):
            async with outer.database.transaction():
                await hand_over(outer.database, outer.route, bodies[start : start + 1000], now=outer.clock.now())
        handed = time.perf_counter() - handed
        sealing = await _until(lambda: _sealed(outer), outer, count)
    with inner.here():
        applying = await _until(lambda: _effects(inner), inner, count)
        again = await _effects(inner, "times > 1")
    _line("handed over", count / handed, "records/s")
    _line("sealed", count / sealing, "records/s", shell=shell / sealing, disk=disk / sealing)
    _line("opened and applied", count / applying, "records/s")
    assert again == 0, "a record took effect twice"
    return {
        "sealed_per_second": round(count / sealing),
        "applied_per_second": round(count / applying),
        "sealed_to_shell": round(shell / sealing, 3),
        "sealed_to_disk": round(disk / sealing, 3),
    }


async def _until(reached: Callable[[], Awaitable[int]], side: "Side", count: int) -> float:
    """Turns until `reached` says `count`; the seconds it took."""
    begun = time.perf_counter()
    while await reached() < count:
        await side.engine.turn(side.clock.now())
    return time.perf_counter() - begun


async def _sealed(side: "Side") -> int:
    found = await side.database.rows(
        "SELECT COALESCE(SUM(count), 0) AS n FROM ferry_parcel WHERE lane = 'case' AND state <> 'assigned'"
    )
    return int(str(found[0]["n"]))


async def _effects(side: "Side", where: str = "times > 0") -> int:
    found = await side.database.rows(f"SELECT COUNT(*) AS n FROM bench_state WHERE {where}")
    return int(str(found[0]["n"]))


def _sealed_by_shell(folder: Path, lines: bytes) -> float:
    """The same octets through `zstd -3 | openssl cms -sign | openssl cms -encrypt`, synced; seconds."""
    for name in ("sender", "receiver"):
        _run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"),
        )  # fmt: skip
    plain, sealed = folder / "plain", folder / "sealed"
    _written(plain, lines)
    pipeline = (
        f"zstd -3 -q -c {plain}"
        f" | openssl cms -sign -binary -nodetach -md sha256 -stream -outform DER"
        f" -signer {folder}/sender.pem -inkey {folder}/sender.key"
        f" | openssl cms -encrypt -binary -stream -aes-256-cbc -outform DER -out {sealed} {folder}/receiver.pem"
        f" && sync {sealed}"
    )
    return _timed(lambda: _run("sh", "-c", pipeline))


# ----------------------------------------------------------------------------------------------------- attachments


def attachments(folder: Path, octets: int) -> dict[str, object]:
    """A file that is compressed already: sealed in pieces into parcels, opened again, beside `age` and the disk."""
    path, made = folder / "attachment", folder / "parcels"
    made.mkdir()
    with path.open("wb") as file:
        for _ in range(octets // MIB):
            file.write(secrets.token_bytes(MIB))
    label, parcels = Label(channel="outer-inner.bulk", epoch="0" * 32, seq=1), []
    size, step, whole = octets, MAX_PIECE_OCTETS, "0" * 64
    grown = _peak()
    begun = time.perf_counter()
    for start in range(0, size, step):
        piece = Piece(sha256=whole, size=size, offset=start, octets=min(step, size - start))
        target = made / f"{start}.fry"
        with target.open("wb") as file:
            seal(file, label, b"", [(piece, partial(_stretch, path, piece))], schema=SCHEMA, addressed=address(),
                 keys=sealing_keys(), clock=SystemClock())  # fmt: skip
            os.fsync(file.fileno())
        parcels.append(target)
    sealing = time.perf_counter() - begun
    begun = time.perf_counter()
    opened = folder / "opened"
    with opened.open("wb") as out:
        for target in parcels:
            with target.open("rb") as source:
                checked = check(source, lambda header: KEYS["outer"].public_key())
                unseal(source, checked, KEYS["inner"], KEYS["outer"].public_key(), lambda _, __, got: _kept(out, got))
        os.fsync(out.fileno())
    opening = time.perf_counter() - begun
    grown = _peak() - grown
    assert _sha256(path) == _sha256(opened)
    disk = _timed(lambda: _run("sh", "-c", f"cp {path} {folder}/disk && sync {folder}/disk"))
    sealed_by_age, opened_by_age = _age(folder, path)
    mb = octets / 1e6
    _line("attachment sealed", mb / sealing, "MB/s", age=sealed_by_age and sealed_by_age / sealing, disk=disk / sealing)
    _line("attachment opened", mb / opening, "MB/s", age=opened_by_age and opened_by_age / opening)
    print(f"{'memory grown by':<22}{grown / MIB:>9,.0f} MiB for {octets / MIB:,.0f} MiB")
    for left in (path, opened, folder / "disk", *parcels):
        left.unlink(missing_ok=True)
    return {
        "attachment_sealed_mb_per_second": round(mb / sealing),
        "attachment_opened_mb_per_second": round(mb / opening),
        "sealed_to_age": sealed_by_age and round(sealed_by_age / sealing, 3),
        "opened_to_age": opened_by_age and round(opened_by_age / opening, 3),
        "memory_grown_mib": round(grown / MIB),
    }


def _age(folder: Path, path: Path) -> tuple[float | None, float | None]:
    """Seconds that age takes to encrypt (it does not sign) and to decrypt; None where it is not installed."""
    if shutil.which("age") is None:
        print("age is not installed: no ratio to it")
        return None, None
    key, sealed = folder / "age.key", folder / "sealed.age"
    _run("age-keygen", "-o", str(key))
    public = next(line for line in key.read_text().splitlines() if "public key" in line).split()[-1]
    sealing = _timed(lambda: _run("sh", "-c", f"age -r {public} -o {sealed} {path} && sync {sealed}"))
    opening = _timed(lambda: _run("sh", "-c", f"age -d -i {key} -o {folder}/disk {sealed} && sync {folder}/disk"))
    sealed.unlink()
    return sealing, opening


def _stretch(path: Path, piece: Piece) -> bytes:
    with path.open("rb") as file:
        file.seek(piece.offset)
        return file.read(piece.octets)


def _kept(out: BinaryIO, content: bytes) -> None:
    out.write(content)


# ---------------------------------------------------------------------------------------------------------- urgent


async def urgent(outer: "Side", inner: "Side", folder: Path, effort: Effort) -> dict[str, object]:
    """From the commit of an urgent record to its committed effect, while an attachment crosses beside it."""
    attachment = folder / "beside"
    with attachment.open("wb") as file:
        for _ in range(effort.attachment // MIB // 4):
            file.write(secrets.token_bytes(MIB))
    sha256, size = _sha256(attachment), attachment.stat().st_size
    place = outer.files.path_of(sha256)
    place.parent.mkdir(parents=True, exist_ok=True)
    attachment.replace(place)
    stop, taken = asyncio.Event(), []
    running = [asyncio.create_task(side.run(stop)) for side in (outer, inner)]
    with outer.here():
        async with outer.database.transaction():
            await hand_over_file(outer.database, outer.route, sha256=sha256, size=size, now=outer.clock.now())
        for number in range(effort.urgent):
            sent = envelope("bench.urgent", number)
            async with outer.database.transaction():
                await hand_over(outer.database, outer.route, [sent], now=outer.clock.now())
            begun = time.perf_counter()
            await inner.seen(sent.rid)
            taken.append(time.perf_counter() - begun)
    stop.set()
    await asyncio.gather(*running)
    p50, p99 = statistics.median(taken), sorted(taken)[int(len(taken) * 0.99)]
    print(f"{'urgent record':<22}{p50 * 1000:>9,.0f} ms p50{p99 * 1000:>9,.0f} ms p99, beside {size / MIB:.0f} MiB")
    return {"urgent_p50_s": round(p50, 3), "urgent_p99_s": round(p99, 3)}


# ------------------------------------------------------------------------------------------------------- measuring


def _postgres() -> Postgres | None:
    try:
        return Postgres.start(durable=True)
    except NoPostgres:
        return None


def _line(what: str, rate: float, unit: str, **ratios: float | None) -> None:
    shown = "".join(f"{ratio:>8.2f} of {peer}" for peer, ratio in ratios.items() if ratio)
    print(f"{what:<22}{rate:>9,.0f} {unit}{shown}", flush=True)


def _peak() -> int:
    """The most memory this process ever had, in octets."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _written(path: Path, octets: bytes) -> None:
    with path.open("wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
