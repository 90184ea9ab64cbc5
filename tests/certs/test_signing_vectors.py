"""The contract's signing vectors, judged by the server's own code and by what the file says."""

import json
import re

import pytest

from certs.encodings import check_es256, device_key, signature_der, unb64u
from certs.refusals import SignatureInvalid
from kernel.acts import SignatureFormat
from kernel.refusals import every_refusal
from tests.certs.signing_vectors import FILE, STATEMENT, text

ROOT = FILE.parents[3]
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["comment"] for vector in VECTORS])
def test_the_vector_is_judged_as_the_contract_says(vector):
    try:
        signature = signature_der(unb64u(vector["signature"]), SignatureFormat(vector["format"]))
        check_es256(device_key(unb64u(vector["spki"])), unb64u(vector["payload"]), signature)
        accepted = True
    except SignatureInvalid:
        accepted = False
    assert accepted is vector["valid"]


def test_the_file_is_what_the_generator_makes():
    assert FILE.read_text(encoding="utf-8") == text(), "run: python -m tests.certs.signing_vectors"


@pytest.mark.parametrize("page", ["ALGORITHM.md", "enrol.md"])
def test_every_refusal_the_contract_names_exists(page):
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", FILE.with_name(page).read_text(encoding="utf-8")))
    assert named
    assert named <= set(every_refusal())


def test_the_contract_lists_the_kinds_of_statement_that_the_server_makes():
    made: set[str] = set()
    for package in ("casework", "supervision", "hall"):
        for module in (ROOT / package).rglob("*.py"):
            made |= set(re.findall(r'Statement\(\s*kind="([^"]+)"', module.read_text(encoding="utf-8")))
    page = FILE.with_name("ALGORITHM.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^\| `kind` \|(.*)\|$", page, re.MULTILINE)
    assert made
    assert set(re.findall(r"`([^`]+)`", listed)) == made
    assert STATEMENT.kind in made
