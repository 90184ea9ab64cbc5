"""`python -m tests.ferry.ferry_process URL FOLDER`: the outer zone's ferry, for a test to kill."""

import asyncio
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from msgspec.structs import replace

from ferry.lanes import RULES, Lane
from ferry.transports.folder import Folder
from kernel.clock import SystemClock
from tests.ferry import pair


def save_keys(folder: Path) -> None:
    for zone, key in pair.KEYS.items():
        octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{zone}.pem").write_bytes(octets)


def load_keys(folder: Path) -> None:
    for zone in pair.KEYS:
        key = load_pem_private_key((folder / f"{zone}.pem").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        pair.KEYS[zone] = key


async def main(url: str, folder: Path) -> None:
    side = pair.Side("outer", "inner", SystemClock(), folder / "outer")
    side.out, side.into = Folder(folder / "there"), Folder(folder / "back")
    side.changes = {"rules": {**RULES, Lane.CASE: replace(RULES[Lane.CASE], records=100)}}
    await side.open(url)
    with side.here():
        await side.engine_of().run(asyncio.Event())


if __name__ == "__main__":
    load_keys(Path(sys.argv[2]))
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
