"""The parcel file: what was sealed comes out, and everything else is refused with its reason."""

import hashlib
import io
import struct
import tracemalloc
from datetime import UTC, datetime

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ferry.opening import check, look, unseal
from ferry.parcel import FRAME_OCTETS, MAX_RECORDS_OCTETS, NO_PARCEL, Kind, Piece
from ferry.refusals import ParcelRefused
from ferry.sealing import SealingKeys, _Frames, seal
from kernel.clock import FakeClock
from tests.ferry.parcels import ADDRESSED, INNER, OUTER, label, opened, pieces_of, sealed

NOON = FakeClock(datetime(2026, 11, 22, 4, 0, tzinfo=UTC))
RECORDS = [f'{{"case":"SL2026{number:04}","step":"承办"}}'.encode() for number in range(50)]
ATTACHMENT = bytes(range(256)) * 9000


class Files:
    """Puts pieces together as a receiver does."""

    def __init__(self) -> None:
        self.contents: dict[str, bytearray] = {}

    def keep(self, sha256: str, offset: int, content: bytes) -> None:
        file = self.contents.setdefault(sha256, bytearray())
        assert len(file) == offset
        file += content


def test_what_was_sealed_comes_out():
    files = Files()
    octets, done = sealed(NOON, RECORDS, pieces_of(ATTACHMENT, 1_000_000))
    inside = opened(octets, keep=files.keep)
    assert inside.records == tuple(RECORDS)
    assert files.contents == {hashlib.sha256(ATTACHMENT).hexdigest(): ATTACHMENT}
    assert inside.manifest.content_id == done.content_id
    assert (done.octets, done.sha256) == (len(octets), hashlib.sha256(octets).hexdigest())


@given(st.lists(st.binary(max_size=200).filter(lambda record: b"\n" not in record), max_size=20))
def test_any_records_come_out(records):
    assert opened(sealed(NOON, records)[0]).records == tuple(records)


@pytest.mark.parametrize("octets", [0, 1, FRAME_OCTETS - 1, FRAME_OCTETS, FRAME_OCTETS + 1, 3 * FRAME_OCTETS])
def test_pieces_of_every_length_around_a_frame_come_out(octets):
    content = hashlib.shake_256(b"incompressible").digest(octets)
    files = Files()
    parcel, _ = sealed(NOON, [], pieces_of(content, FRAME_OCTETS * 2))
    opened(parcel, keep=files.keep)
    assert b"".join(files.contents.values()) == content


def test_a_piece_that_does_not_shrink_is_stored_and_records_are_compressed():
    """Most attachments are compressed already; records shrink to a third and less."""
    content = hashlib.shake_256(b"a photograph").digest(200_000)
    lines = b"".join(b"%b\n" % record for record in RECORDS * 20)
    overhead = 3000
    assert len(content) < len(sealed(NOON, [], pieces_of(content, 200_000))[0]) < len(content) + overhead
    assert len(sealed(NOON, [], pieces_of(ATTACHMENT, len(ATTACHMENT)))[0]) < len(ATTACHMENT) / 10
    assert len(sealed(NOON, RECORDS * 20)[0]) < len(lines) / 3 + overhead


def test_memory_stays_flat_however_long_the_parcel(tmp_path):
    """Forty mebibytes in pieces of one: never more than a few of them at once, sealing and opening."""
    piece = hashlib.shake_256(b"incompressible").digest(FRAME_OCTETS)
    pieces = [
        (Piece(sha256="a" * 64, size=40 * FRAME_OCTETS, offset=at * FRAME_OCTETS, octets=FRAME_OCTETS), lambda: piece)
        for at in range(40)
    ]
    tracemalloc.start()
    try:
        with (tmp_path / "parcel").open("w+b") as file:
            keys = SealingKeys(own=OUTER, receiver=INNER.public_key())
            seal(file, label(), b"", pieces, schema=1, addressed=ADDRESSED, keys=keys, clock=NOON)
            checked = check(file, lambda header: OUTER.public_key())
            unseal(file, checked, INNER, OUTER.public_key(), lambda *_: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert checked.octets > 40 * FRAME_OCTETS
    assert peak < 8 * FRAME_OCTETS


def test_the_label_can_be_read_without_any_key():
    header = look(io.BytesIO(sealed(NOON, RECORDS)[0]))
    assert (header.label, header.sender, header.receiver) == (label(), "outer", "inner")
    assert header.created == NOON.now()


def test_a_parcel_sealed_again_is_another_file_and_the_same_parcel():
    (one, first), (two, second) = sealed(NOON, RECORDS), sealed(NOON, RECORDS)
    assert one != two
    assert first.content_id == second.content_id


def test_the_identity_names_the_parcel_before_it():
    ids = {sealed(NOON, RECORDS, label=label(2, prev=prev))[1].content_id for prev in (NO_PARCEL, "f" * 64)}
    assert len(ids) == 2


# ---- what is refused


def refusal(octets: bytes, **changes) -> str:
    with pytest.raises(ParcelRefused) as refused:
        opened(octets, **changes)
    return refused.value.code


def test_a_parcel_for_somebody_else_cannot_be_opened():
    octets, _ = sealed(NOON, RECORDS)
    assert refusal(octets, own=ec.generate_private_key(ec.SECP256R1())) == "PARCEL_UNREADABLE"


def test_a_parcel_of_another_sender_is_refused_before_it_is_decrypted():
    octets, _ = sealed(NOON, RECORDS, own=ec.generate_private_key(ec.SECP256R1()))
    assert refusal(octets) == "PARCEL_SIGNATURE"


def test_a_parcel_cut_short_anywhere_is_torn():
    octets, _ = sealed(NOON, RECORDS[:3])
    assert {refusal(octets[:at]) for at in range(len(octets))} == {"PARCEL_TORN"}


def test_no_bit_of_a_parcel_can_be_changed():
    octets, _ = sealed(NOON, RECORDS[:2])
    for at in range(0, len(octets)):
        changed = bytearray(octets)
        changed[at] ^= 1 << (at % 8)
        assert refusal(bytes(changed)) in {
            "PARCEL_SIGNATURE", "PARCEL_MALFORMED", "PARCEL_TORN", "PARCEL_OVERSIZE", "PARCEL_UNKNOWN_SUITE"
        }  # fmt: skip


def test_octets_behind_a_parcel_are_refused():
    assert refusal(sealed(NOON, RECORDS)[0] + b"\0") == "PARCEL_MALFORMED"


def test_an_unknown_suite_is_refused_by_its_name():
    octets, _ = sealed(NOON, RECORDS)
    assert refusal(octets.replace(b"P256-A256GCM", b"SM2-SM4-GCM3")) == "PARCEL_UNKNOWN_SUITE"


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: b"FRY1" + tail))
def test_any_octets_are_refused_and_nothing_else(octets):
    assert refusal(octets).startswith("PARCEL_")


def test_a_length_that_promises_too_much_reserves_nothing():
    assert refusal(b"FRY1" + struct.pack(">I", 0xFFFFFFFF)) == "PARCEL_OVERSIZE"


class Forger:
    """A sender with a good key and bad intentions: every part as it likes."""

    def __init__(self, monkeypatch) -> None:
        self._monkeypatch = monkeypatch

    def parcel(self, change) -> bytes:
        """`change(part)` sees each part's arguments and says which to write instead."""
        honest = _Frames.part

        def part(frames, kind, name, content, codec):
            for instead in change(kind, name, content, codec):
                honest(frames, *instead)

        with self._monkeypatch.context() as patched:
            patched.setattr(_Frames, "part", part)
            return sealed(NOON, RECORDS, pieces_of(ATTACHMENT[:1000], 1000))[0]


def only(wanted: Kind, write):
    """Changes how parts of one kind are written."""
    return lambda kind, *rest: write(kind, *rest) if kind is wanted else [(kind, *rest)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(only(Kind.PIECE, lambda *part: []), id="no piece"),
        pytest.param(only(Kind.PIECE, lambda *part: [part, part]), id="piece twice"),
        pytest.param(only(Kind.MANIFEST, lambda *part: []), id="no manifest"),
        pytest.param(only(Kind.MANIFEST, lambda *part: [part, part]), id="manifest twice"),
        pytest.param(only(Kind.RECORDS, lambda *part: [part, part]), id="records twice"),
        pytest.param(only(Kind.PIECE, lambda kind, name, *rest: [(kind, "../" + name, *rest)]), id="a path"),
        pytest.param(
            only(Kind.RECORDS, lambda kind, name, content, codec: [(kind, name, content[:-1] + b" ", codec)]),
            id="other records",
        ),
        pytest.param(
            only(Kind.PIECE, lambda kind, name, content, codec: [(kind, name, content[:-1], codec)]), id="cut"
        ),
        pytest.param(only(Kind.MANIFEST, lambda kind, name, _, codec: [(kind, name, b"{}", codec)]), id="empty"),
    ],
)
def test_a_sender_that_seals_something_else_than_its_manifest_says_is_refused(monkeypatch, change):
    assert refusal(Forger(monkeypatch).parcel(change)) in {"PARCEL_MALFORMED", "PARCEL_SIGNATURE"}


def test_a_bomb_is_refused_by_its_own_label(monkeypatch):
    lines = b"\n" * (MAX_RECORDS_OCTETS + 1)
    bomb = only(Kind.RECORDS, lambda kind, name, _, codec: [(kind, name, lines, codec)])
    assert refusal(Forger(monkeypatch).parcel(bomb)) == "PARCEL_OVERSIZE"


def test_a_bomb_with_a_false_label_is_refused(monkeypatch):
    honest, bomb = zstandard.compress, zstandard.compress(b"\n" * (64 << 20))
    with monkeypatch.context() as patched:
        patched.setattr(zstandard, "compress", lambda content, *level: bomb if content else honest(content, *level))
        octets, _ = sealed(NOON, RECORDS)
    assert refusal(octets) == "PARCEL_MALFORMED"


def test_a_guard_without_keys_can_check_a_parcel():
    octets, done = sealed(NOON, RECORDS)
    checked = check(io.BytesIO(octets), lambda header: OUTER.public_key())
    assert (checked.sha256, checked.header.sender) == (done.sha256, "outer")
