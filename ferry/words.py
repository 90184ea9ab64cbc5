"""A fingerprint as words that two people compare: one reads aloud, the other types what they hear.

The list is the Chinese one of BIP-39 (2048 common characters; the package `mnemonic`, MIT licence): a SHA-256 becomes
24 characters, the last of which holds a checksum, so that a slip of the tongue is told from another fingerprint.
Limit: homophones exist in the list, so what was heard is written down and compared by sight.
"""

from collections.abc import Sequence
from functools import cache

from mnemonic import Mnemonic

_IN_A_GROUP = 6


def words_of(fingerprint: bytes) -> str:
    """A SHA-256 (32 octets) as four groups of six characters."""
    characters = _list().to_mnemonic(fingerprint).split()
    return " ".join("".join(group) for group in _groups(characters))


def is_slip(heard: str) -> bool:
    """Whether these are no words of any fingerprint: somebody misheard or mistyped."""
    return not _list().check(" ".join(_characters(heard)))


def are_same(heard: str, fingerprint: bytes) -> bool:
    """Whether what somebody typed are the words of this fingerprint; spaces and punctuation mean nothing."""
    return _characters(heard) == _characters(words_of(fingerprint))


def _characters(text: str) -> list[str]:
    return [character for character in text if character.isalpha()]


def _groups(characters: Sequence[str]) -> list[Sequence[str]]:
    return [characters[at : at + _IN_A_GROUP] for at in range(0, len(characters), _IN_A_GROUP)]


@cache
def _list() -> Mnemonic:
    return Mnemonic("chinese_simplified")
