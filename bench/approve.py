"""Signed approvals: how many a second, each on the disk before it is answered, sixteen officers at once.

An approval is the office's own act: idempotency key, verification of the officer's ECDSA P-256 signature over the
prepared bytes (chain, revocation, nonce), permission, the step, the next task, the events of the case's chain, the
outbox, one durable commit. The peer does the same statements by hand: everything that one run of ours sent to
PostgreSQL is replayed on an identical copy of the database, with asyncpg alone, prepared, one transaction an approval,
sixteen at once, and one signature verified each. pgbench says what the disk gives at all. Promise: at least 0.6 of
the hand-written statements, and signature checks at 0.8 of `openssl speed`. Rounds alternate on fresh copies; the
better round of each counts. The last line is JSON. On two cores beside other work: 0.53 to 0.73 of the hand-written
statements (0.32 before look-ups were compiled once, see kernel/rows.py), checks 0.64 to 0.92 of openssl.

    python -m bench.approve [--quick]
"""

# ruff: noqa: E402
import sys
from pathlib import Path

# Run as a file, this folder would come first, and `sms` would be the bench beside us instead of the package.
sys.path[0] = str(Path(__file__).parents[1])

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench._by_hand import Statements, overheard, replay
from bench._machine import copy_database, create_database, pgbench_tps
from casework.acts import Channel, Decide, Decision, DeemAccepted, FileApplication, FiledView, PrepareDecision
from casework.tables import Case
from certs.acts import ApproveEnrolment, EnrolmentOpened, RequestEnrolment, SubmitCsr
from certs.authority import Authority
from certs.encodings import check_es256, sign_es256, signature_der, spki_of
from certs.profiles import OFFICER_SIGNING
from certs.tables import IssuedCertificate
from kernel.actor import ANYBODY, THE_CLOCK, THE_OPERATOR, Actor, ActorKind, Assurance, Role
from kernel.acts import SignedBytes, SigningRequest
from kernel.clock import FakeClock
from kernel.refusals import Refusal
from kernel.tables import Officer
from server.desk import load_county
from server.serve import spare_the_collector
from server.settings import DatabaseSettings, Settings
from server.wiring import System, open_system
from tools.postgres import Postgres

FILED = datetime(2026, 9, 18, 2, tzinfo=UTC)
DECIDED = FILED + timedelta(days=7, hours=1)  # after five working days of silence, when the law has accepted
OFFICERS = 16
UNIT, ITEM, STAGE = "ZJJ", "ZJ-XK-001", "ZJ-XK-001-01"


@dataclass(frozen=True)
class Effort:
    each: int
    rounds: int
    disk_s: int


QUICK, FULL = Effort(each=20, rounds=2, disk_s=3), Effort(each=100, rounds=4, disk_s=10)


@dataclass(frozen=True)
class Approval:
    """What a phone holds in its hand when its owner presses the button."""

    act: Decide
    actor: Actor
    proof: SignedBytes
    payload: bytes
    certificate: bytes
    key: ec.EllipticCurvePublicKey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    options = parser.parse_args()
    with Postgres.start(durable=True) as server, tempfile.TemporaryDirectory(prefix="zb-bench-") as folder:
        print(json.dumps(asyncio.run(measure(server, Path(folder), QUICK if options.quick else FULL))))


async def measure(server: Postgres, folder: Path, effort: Effort) -> dict[str, float | None]:
    async with office(await create_database(server, "office"), folder, FILED) as system:
        desks = await prepared(system, effort.each)
    async with office(await copy_database(server, "office", "recorded"), folder, DECIDED) as system:
        spoken = await recorded(system, desks)
    print(f"{OFFICERS} officers, {effort.each} approvals each, {len(spoken[0][0]) - 2} statements an approval")
    ours = by_hand = 0.0
    for turn in range(effort.rounds):
        async with office(await copy_database(server, "office", f"ours{turn}"), folder, DECIDED) as system:
            ours = max(ours, await approve(system, desks))
        copy = await copy_database(server, "office", f"hand{turn}")
        by_hand = max(by_hand, await replay(copy, spoken, beside=lambda desk, n: verify(desks[desk][n])))
        print(f"ours {ours:7.0f}/s   by hand {by_hand:7.0f}/s", flush=True)
    disk = pgbench_tps(server, effort.disk_s, OFFICERS)
    checks = checks_per_second(system.authority, desks[0][0])
    openssl = openssl_verifications()
    return {
        "approvals_per_second": round(ours),
        "handwritten_ratio": round(ours / by_hand, 3),
        "pgbench_ratio": None if disk is None else round(ours / disk, 3),
        "signature_check_ratio": None if openssl is None else round(checks / openssl, 3),
    }


@asynccontextmanager
async def office(url: str, folder: Path, now: datetime) -> AsyncIterator[System]:
    pooled = f"{url}?minsize={OFFICERS}&maxsize={OFFICERS}"
    settings = Settings(data_dir=folder, database=DatabaseSettings(url=pooled))
    async with open_system(settings, clock=FakeClock(now)) as system:
        spare_the_collector()
        yield system


# ------------------------------------------------------------------------------------------------------ beforehand
async def prepared(system: System, each: int) -> list[list[Approval]]:
    """Sixteen enrolled handlers, cases that silence has accepted, and every decision signed on its phone."""
    await load_county(system)
    numbers = [await _filed(system, n) for n in range(OFFICERS * each)]
    clock = system.clock
    assert isinstance(clock, FakeClock)
    clock.set(DECIDED)
    while (await _done(system, DeemAccepted(), THE_CLOCK)).count:
        pass
    desks = []
    for n in range(OFFICERS):
        key, actor = await _enrolled(system, n)
        mine = numbers[n * each : (n + 1) * each]
        desks.append([await _signed(system, key, actor, number) for number in mine])
    return desks


async def _filed(system: System, n: int) -> str:
    filed: FiledView = await _done(
        system,
        FileApplication(
            item=ITEM,
            stage=STAGE,
            applicant_name=f"衡江建设有限公司{n}",
            applicant_id_number="91430400MA4L000000",
            applicant_phone=f"138{n:08d}",
            channel=Channel.ONLINE,
        ),
        ANYBODY,
    )
    return filed.number


async def _enrolled(system: System, n: int) -> tuple[ec.EllipticCurvePrivateKey, Actor]:
    officer, key = f"OFF-9{n:03d}", ec.generate_private_key(ec.SECP256R1())
    name, roles = f"承办{n}", [str(Role.HANDLER)]
    await Officer.create(id=officer, name=name, unit_code=UNIT, phone=f"1370000{n:04d}", roles=roles)
    spki = spki_of(key.public_key())
    opened: EnrolmentOpened = await _done(
        system, RequestEnrolment(officer=officer, device="手机", public_key=spki), ANYBODY
    )
    await _done(system, SubmitCsr(enrolment=opened.enrolment, signature=sign_es256(key, opened.to_sign)), ANYBODY)
    await _done(system, ApproveEnrolment(enrolment=opened.enrolment), THE_OPERATOR)
    roles_held = frozenset({Role.HANDLER})
    return key, Actor(
        kind=ActorKind.OFFICER, id=officer, name=name, roles=roles_held, unit=UNIT, assurance=Assurance.SESSION
    )


async def _signed(system: System, key: ec.EllipticCurvePrivateKey, actor: Actor, number: str) -> Approval:
    case = await Case.get(number=number)
    chosen: dict[str, Any] = {
        "case": number,
        "revision": case.revision,
        "step": "level:1",
        "decision": Decision.AGREE,
        "opinion": "经审查，材料齐全、符合法定形式，拟同意，报请审核。",
    }
    request: SigningRequest = await _done(system, PrepareDecision(**chosen), actor)
    proof = SignedBytes(nonce=request.nonce, signature=sign_es256(key, request.payload))
    certificate = await IssuedCertificate.get(holder=actor.id)
    return Approval(Decide(**chosen), actor, proof, request.payload, certificate.der, key.public_key())


async def _done(system: System, act: Any, actor: Actor, **more: Any) -> Any:
    outcome = await system.office.perform(act, actor, **{"key": None, **more})
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


# --------------------------------------------------------------------------------------------------- ours, by hand
async def approve(system: System, desks: list[list[Approval]]) -> float:
    async def officer(approvals: list[Approval]) -> None:
        for approval in approvals:
            await _done(system, approval.act, approval.actor, key=approval.proof.nonce, proof=approval.proof)

    begun = time.perf_counter()
    await asyncio.gather(*map(officer, desks))
    return sum(map(len, desks)) / (time.perf_counter() - begun)


async def recorded(system: System, desks: list[list[Approval]]) -> list[list[Statements]]:
    """Approves everything once, one after the other, and keeps what each approval said to PostgreSQL."""
    spoken = []
    with overheard() as heard:
        for approvals in desks:
            mine: list[Statements] = []
            for approval in approvals:
                heard.clear()
                await _done(system, approval.act, approval.actor, key=approval.proof.nonce, proof=approval.proof)
                mine.append(list(heard))
            spoken.append(mine)
    return spoken


# ------------------------------------------------------------------------------------------------------ signatures
def verify(approval: Approval) -> None:
    approval.key.verify(approval.proof.signature, approval.payload, ec.ECDSA(hashes.SHA256()))


def checks_per_second(authority: Authority, approval: Approval) -> float:
    """How often this process checks a phone's certificate and its signature in a second, as for every decision."""

    def check() -> None:
        trusted = authority.verifier.relied_on(approval.certificate, OFFICER_SIGNING, at=DECIDED)
        check_es256(trusted.key, approval.payload, signature_der(approval.proof.signature, approval.proof.format))

    check()
    count, begun = 0, time.perf_counter()
    while (took := time.perf_counter() - begun) < 2.0:
        for _ in range(100):
            check()
        count += 100
    return count / took


def openssl_verifications() -> float | None:
    """P-256 verifications a second by `openssl speed`, one process; None without openssl."""
    tool = shutil.which("openssl")
    if tool is None:
        return None
    said = subprocess.run([tool, "speed", "-seconds", "2", "ecdsap256"], capture_output=True, text=True, check=True)
    found = re.search(r"\(nistp256\).*?([\d.]+)\s*$", said.stdout, re.M)
    return float(found.group(1)) if found else None


if __name__ == "__main__":
    main()
