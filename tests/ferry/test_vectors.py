"""The stored vectors are opened as told, by our reader and by another that was written from the page alone."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ferry import refusals
from tests.ferry.another_reader import read
from tools.ferry_vectors import FOLDER, differences, main, write

PACK = json.loads((FOLDER / "vectors.json").read_bytes())
GOOD = [vector for vector in PACK["vectors"] if not vector["code"]]
BAD = [vector for vector in PACK["vectors"] if vector["code"]]
PAGE = (FOLDER.parent / "FRY1.md").read_text()


def key(name: str):
    return load_pem_private_key((FOLDER / f"{name}.pem").read_bytes(), None)


def test_every_stored_vector_opens_or_is_refused_as_told():
    assert list(differences(FOLDER)) == []
    assert main([]) == 0


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["file"])
def test_a_reader_written_from_the_page_alone_reads_the_same(vector):
    octets = (FOLDER / vector["file"]).read_bytes()
    label, records, pieces, content_id = read(octets, key("sender-sign").public_key(), key("receiver-kem"))
    assert label == vector["label"]
    assert [base64.b64encode(record).decode() for record in records] == vector["records"]
    assert [piece for piece, _ in pieces] == vector["pieces"]
    assert [hashlib.sha256(content).hexdigest() for _, content in pieces] == vector["pieces_sha256"]
    assert content_id == vector["content_id"]


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["file"])
def test_the_other_reader_accepts_none_of_the_broken_ones(vector):
    with pytest.raises(Exception):  # noqa: B017, PT011  # it has no codes: any refusal will do
        read((FOLDER / vector["file"]).read_bytes(), key("sender-sign").public_key(), key("receiver-kem"))


def test_the_keys_are_the_same_in_both_forms():
    for name in ("sender-sign", "receiver-kem"):
        kept = json.loads((FOLDER / f"{name}.jwk.json").read_bytes())
        secret = base64.urlsafe_b64decode(kept["d"] + "=")
        assert int.from_bytes(secret, "big") == key(name).private_numbers().private_value


def test_every_code_of_a_refused_parcel_is_on_the_page_or_is_no_matter_of_the_file():
    codes = {kind.code for kind in refusals.ParcelRefused.__subclasses__()}
    about_the_order = {"PARCEL_RETIRED", "PARCEL_REPLAYED", "PARCEL_EQUIVOCAL"}
    assert {code for code in codes if f"`{code}`" in PAGE} == codes - about_the_order
    assert {vector["code"] for vector in BAD} == codes - about_the_order - {"PARCEL_FOREIGN", "PARCEL_UNTRUSTED"}


def test_vectors_can_be_drawn_anew(tmp_path: Path):
    write(tmp_path)
    assert list(differences(tmp_path)) == []
    (tmp_path / "records.fry").write_bytes((tmp_path / "empty.fry").read_bytes())
    assert len(list(differences(tmp_path))) == 1
