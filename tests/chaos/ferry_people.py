"""People who file at the outer zone's door, as a phone does it: with one key, again and again, until answered.

PENDING means to ask again; so does a door that is closed, because its server died in the middle of the answer.
"""

import asyncio
import random
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import httpx
from msgspec import Struct

from tests.mobile_api.stage import ITEM, OPERATIONS, STAGE

#: In the item's place by those who are refused.
NO_ITEM = "ZJ-XK-999"
_AGAIN_S = 0.1


class Filing(Struct):
    """`answer`: what the door said in the end; None: nothing yet. `attachment`: SHA-256 of `picture`."""

    key: str
    phone: str
    is_wrong: bool
    picture: bytes = b""
    attachment: str = ""
    answer: Mapping[str, Any] | None = None


class Filings:
    def __init__(self, url: str, chance: random.Random) -> None:
        self.all: list[Filing] = []
        #: What the inner zone gave up: after three deaths, or three times without room; here they follow in seconds.
        self.given_up = 0
        self._chance, self._asking = chance, set[asyncio.Task[None]]()
        self._door = httpx.AsyncClient(base_url=url, timeout=30, limits=httpx.Limits(max_connections=20))

    @property
    def unanswered(self) -> int:
        return sum(filing.answer is None for filing in self.all)

    def file(self, *, with_attachment: bool = False, is_wrong: bool = False) -> None:
        """Somebody with a phone of their own begins to file."""
        number = len(self.all)
        picture = _picture(self._chance.randbytes(3000)) if with_attachment else b""
        filing = Filing(f"chaos-filing-{number:05d}", f"134{number:08d}", is_wrong, picture)
        self.all.append(filing)
        self._begin(self._file(filing))

    async def ask_again(self) -> dict[str, str]:
        """Everybody asks once more with the same key; who was told another number than before, and which that was."""
        before = {filing.key: filing.answer for filing in self.all}
        for filing in self.all:
            if not filing.is_wrong:
                filing.answer = None
                self._begin(self._file(filing))
        await asyncio.gather(*self._asking)
        return {
            filing.key: str((before[filing.key] or {}).get("number"))
            for filing in self.all
            if not filing.is_wrong and filing.answer != before[filing.key]
        }

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        await self._door.aclose()

    def _begin(self, asking: Any) -> None:
        task = asyncio.create_task(asking)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _file(self, filing: Filing) -> None:
        while True:
            material: dict[str, str] = {"name": "申请表"}
            if filing.picture:
                material["upload"] = await self._brought(filing)
            application = {
                "item": NO_ITEM if filing.is_wrong else ITEM,
                "stage": STAGE,
                "applicantName": "衡江建设有限公司",
                "applicantIdNumber": "91430400MA4L000000",
                "applicantPhone": filing.phone,
                "materials": [material],
            }
            answer = await self._answered("FileApplication", idempotencyKey=filing.key, application=application)
            if answer.get("code") == "ACT_FAILED":  # its process died under it again and again: to be filed anew
                self.given_up += 1
                filing.key += "-again"
            # The receipt has grown old while nobody could be reached: the same file is brought once more.
            elif answer.get("code") != "LINK_INVALID":
                filing.answer = answer
                return

    async def _brought(self, filing: Filing) -> str:
        """The receipt of an upload, which a filing needs."""
        while True:
            ticket = (await self._answered("OpenFiling"))["ticket"]
            try:
                said = await self._door.post(
                    "/files", params={"name": "照片.png"}, content=filing.picture,
                    headers={"authorization": f"Ticket {ticket}"},
                )  # fmt: skip
                receipt = said.json()
                filing.attachment = str(receipt["sha256"])
                return str(receipt["upload"])
            except (httpx.HTTPError, ValueError, KeyError):
                await asyncio.sleep(_AGAIN_S)

    async def _answered(self, name: str, **variables: object) -> dict[str, Any]:
        body = {"query": OPERATIONS[name].body, "operationName": name, "variables": variables}
        while True:
            try:
                said = (await self._door.post("/graphql", json=body)).json()
                (field,) = said["data"].values()
            except (httpx.HTTPError, ValueError, KeyError, AttributeError, TypeError):
                field = None  # nobody there, or their database was away
            if field is not None and not (field["__typename"] == "Refusal" and field["retryable"]):
                return dict(field)
            await asyncio.sleep(_AGAIN_S)


def _picture(noise: bytes) -> bytes:
    """A PNG of noise, which no compression makes smaller."""
    width = 30
    rows = b"".join(b"\0" + noise[at : at + 3 * width] for at in range(0, len(noise) - 3 * width, 3 * width))
    height = len(rows) // (3 * width + 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    made = b"".join(
        struct.pack(">I", len(each)) + kind + each + struct.pack(">I", zlib.crc32(kind + each)) for kind, each in parts
    )
    return b"\x89PNG\r\n\x1a\n" + made
