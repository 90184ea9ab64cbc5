"""`python -m tests.chaos`: every bad day, on SQLite and PostgreSQL at once; a line for each, and what was violated.

`--only WORDS` for scenarios whose names contain them, `--seed N` to repeat a day that went wrong, `--size 0.1` for
a tenth of the rounds and texts. Words that no name contains are refused with exit code 2, and the names.
"""

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter

from tests.chaos.ferry_scenarios import SCENARIOS as FERRY
from tests.chaos.installations import Installations
from tests.chaos.scenarios import SCENARIOS, Scenario, Stage, Told
from tests.chaos.world import victims
from tools.postgres import NoPostgres, Postgres

DIALECTS = ("sqlite", "postgres")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--database", choices=DIALECTS, help="one of the two; else both, each in a process of its own")
    parser.add_argument("--only", default="", metavar="WORDS")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--size", type=float, default=1.0)
    chosen = parser.parse_args()
    dialects = [chosen.database] if chosen.database else DIALECTS
    meant = [each for each in dialects if _named(chosen.only, each)]
    if not meant:
        known = "\n  ".join(dict.fromkeys(name for each in dialects for name in _named("", each)))
        parser.error(f"no bad day is called so: {chosen.only!r}. There are\n  {known}")
    if chosen.database is None:
        return asyncio.run(_both(meant, chosen.only, chosen.seed, chosen.size))
    logging.disable(logging.CRITICAL)  # simulators that are broken on purpose complain
    return asyncio.run(_play(chosen.database, chosen.only, chosen.seed, chosen.size))


def _named(only: str, dialect: str) -> dict[str, Scenario]:
    every = {**SCENARIOS, **FERRY}
    return {name: each for name, each in every.items() if only in name and dialect in each.dialects}


async def _both(meant: Sequence[str], only: str, seed: int, size: float) -> int:
    said = ("-m", "tests.chaos", "--only", only, "--seed", str(seed), "--size", str(size))
    print(f"seed {seed}", flush=True)
    processes = [await asyncio.create_subprocess_exec(sys.executable, *said, "--database", each) for each in meant]
    # One that was killed, for want of memory perhaps, comes to less than 0.
    return 1 if any([await process.wait() for process in processes]) else 0


async def _play(dialect: str, only: str, seed: int, size: float) -> int:
    played = violated = 0
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="zb-chaos-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server_url = None
        if dialect == "postgres":
            try:
                server_url = stack.enter_context(Postgres.start()).url
            except NoPostgres as none:
                print(f"{dialect:9} skipped: {none}", flush=True)
                return 0
        servers = await stack.enter_async_context(victims())
        installations = Installations(folder, server_url)
        await installations.prepare(servers)
        for name, scenario in _named(only, dialect).items():
            stage = Stage(dialect, servers, random.Random(f"{seed} {name}"), installations, size)
            began = perf_counter()
            try:
                told = await scenario.play(stage)
            except (TimeoutError, RuntimeError) as stuck:
                told = Told("", (f"broke off: {stuck!r}, {installations.last_words}",))
            verdict = "holds" if not told.violations else "VIOLATED"
            print(f"{dialect:9}{verdict:9}{perf_counter() - began:6.1f} s  {name}: {told.figures}", flush=True)
            for violation in told.violations:
                print(f"{'':9}- {violation}", flush=True)
            played, violated = played + 1, violated + bool(told.violations)
    print(f"{dialect:9}{played - violated} of {played} bad days hold", flush=True)
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
