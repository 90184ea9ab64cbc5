"""`make fuzz SECONDS=60`: every target for so long, as many at once as there are processors; a line for each.

The fuzzer is atheris, guided by coverage; it is installed into the environment when it is first asked for. Where there
is no atheris for this Python or this machine, that is said, and the seeds are changed blindly instead. Either way one
input may take SLOW_S seconds, and a target's process RSS_MIB more memory than it began with. What is found interesting
is kept in .fuzz/TARGET and read again next time; a crash is kept beside it, and belongs into
tests/sms/test_found_by_fuzzing.py as a test.
"""

import argparse
import importlib.util
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ATHERIS = "atheris==3.0.0"
KEPT = Path(".fuzz")
LONGEST, RSS_MIB, SLOW_S = 4096, 1024, 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", help="one of them; left out: all, each in a process of its own")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--blindly", action="store_true", help="without atheris")
    chosen = parser.parse_args()
    if chosen.target is None:
        return _all(chosen.seconds)
    if chosen.blindly:
        return _blindly(chosen.target, chosen.seconds)
    return _guided(chosen.target, chosen.seconds)


def _all(seconds: int) -> int:
    how = () if _has_atheris() else ("--blindly",)
    from tests.fuzz.targets import TARGETS

    def run(target: str) -> bool:
        command = (sys.executable, "-m", "tests.fuzz", target, "--seconds", str(seconds), *how)
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
        print(_told(target, done.returncode, done.stdout + done.stderr), flush=True)
        return done.returncode == 0

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return 0 if all(list(pool.map(run, TARGETS))) else 1


def _has_atheris() -> bool:
    """Installs it if that is possible."""
    if importlib.util.find_spec("atheris") is None:
        install = (
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary=:all:",
        )
        done = subprocess.run((*install, ATHERIS), check=False, capture_output=True, text=True)
        if done.returncode != 0:
            why = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            print(f"{ATHERIS} cannot be installed here ({why}): going on blindly, without coverage", flush=True)
            return False
    return True


def _told(target: str, code: int, said: str) -> str:
    def figure(name: str) -> int:
        found = re.findall(rf"stat::{name}:\s+(\d+)", said)
        return int(found[-1]) if found else 0

    runs, rss, slowest = figure("number_of_executed_units"), figure("peak_rss_mb"), figure("slowest_unit_time_sec")
    reached = re.findall(r"cov: (\d+)", said)
    if code == 0:
        return (
            f"{target:14}{runs:12,} runs, {reached[-1] if reached else '-':>6} edges, {rss:4} MiB, {slowest} s at most"
        )
    return f"{target:14} CRASHED after {runs:,} runs\n{said[-3000:]}"


def _folder(target: str) -> Path:
    """The corpus, with the seeds in it."""
    from tests.fuzz.targets import TARGETS

    corpus = KEPT / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[target].seeds()):
        (corpus / f"seed-{number:02}").write_bytes(seed)
    return corpus


def _guided(target: str, seconds: int) -> int:
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # installed on demand

    with atheris.instrument_imports(include=["sms", "ferry", "tests.fuzz.targets"]):
        from tests.fuzz.targets import TARGETS
    corpus = _folder(target)
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        "-len_control=0",
        f"-rss_limit_mb={RSS_MIB}",
        f"-timeout={SLOW_S}",
        f"-artifact_prefix={KEPT}/crash-{target}-",
        "-print_final_stats=1",
    )
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[target].read)
    atheris.Fuzz()  # ends the process
    return 0


def _blindly(target: str, seconds: int) -> int:
    from tests.fuzz.mutations import mutations
    from tests.fuzz.targets import TARGETS

    KEPT.mkdir(exist_ok=True)
    _bound_memory()
    signal.signal(signal.SIGALRM, _too_slow)
    read, seeds = TARGETS[target].read, list(TARGETS[target].seeds())
    ends_at, runs = time.monotonic() + seconds, 0
    for data in mutations(seeds, random.Random(), longest=LONGEST):
        is_read = False
        signal.setitimer(signal.ITIMER_REAL, SLOW_S)
        try:
            read(data)
            is_read = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if not is_read:
                (KEPT / f"crash-{target}-{runs}").write_bytes(data)
                print(f"stat::number_of_executed_units: {runs}\n{data!r}", flush=True)
        runs += 1
        if time.monotonic() > ends_at:
            break
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"stat::number_of_executed_units: {runs}\nstat::peak_rss_mb: {peak_kib // 1024}")
    return 0


def _bound_memory() -> None:
    """Linux says how much is taken already; elsewhere the machine is the bound."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        taken = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + RSS_MIB * 2**20,) * 2)


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"more than {SLOW_S} s")


if __name__ == "__main__":
    sys.exit(main())
