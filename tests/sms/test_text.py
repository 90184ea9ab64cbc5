"""Encoding, parts and joining."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.text import (
    Coding,
    Concat,
    ConcatKind,
    Part,
    Reassembler,
    TextTooLong,
    decode,
    parts_needed,
    segments,
    split_header,
    units,
)


def received(short_message: bytes, *, coding: int = 8, has_header: bool = True, source: str = "138") -> Part:
    concat, octets = split_header(short_message) if has_header else (None, short_message)
    return Part(source, "1069", coding, octets, concat, short_message)


def texts(joined) -> list[str]:
    return [one.text for one in joined]


# ---- parts


@pytest.mark.feature("SMS-10")
@pytest.mark.parametrize(
    ("length", "parts"), [(0, 1), (1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)]
)
def test_seventy_characters_are_one_part_and_longer_texts_sixty_seven_a_part(length, parts):
    text = "办" * length
    cut = segments(text)
    assert parts_needed(text) == len(cut.parts) == parts
    assert cut.coding is Coding.UCS2
    assert all(len(part) <= 140 for part in cut.parts)
    if parts > 1:
        assert [part[:6] for part in cut.parts] == [bytes([5, 0, 3, 0, parts, n + 1]) for n in range(parts)]


@pytest.mark.feature("SMS-10")
def test_a_supplementary_character_counts_two_and_is_never_cut():
    assert units("𠮷办") == 3
    assert parts_needed("𠮷" * 35) == 1
    assert parts_needed("𠮷" * 35 + "办") == 2
    # 66 characters and a pair: the pair would be cut after the 67th unit, so it moves to the second part.
    cut = segments("办" * 66 + "😀" + "理" * 10)
    assert [len(part) - 6 for part in cut.parts] == [132, 24]
    assert "".join(part[6:].decode("utf-16-be") for part in cut.parts) == "办" * 66 + "😀" + "理" * 10


def test_a_wide_reference_costs_one_character_a_part():
    cut = segments("办" * 133, reference=0x1234, wide=True)
    assert [part[:7].hex() for part in cut.parts] == ["06080412340301", "06080412340302", "06080412340303"]
    assert parts_needed("办" * 132, wide=True) == 2
    assert all(len(part) <= 140 for part in cut.parts)


def test_the_default_alphabet_is_used_only_where_the_carrier_allows_it_and_the_text_fits():
    assert segments("OK 12345").coding is Coding.UCS2
    assert segments("OK 12345", gsm_allowed=True).coding is Coding.GSM
    assert segments("OK 办", gsm_allowed=True).coding is Coding.UCS2
    # smpplib writes a grave accent as 0x5F, which is a section sign.
    assert segments("`", gsm_allowed=True).coding is Coding.UCS2


def test_the_default_alphabet_has_160_and_153_characters_and_no_escape_is_cut():
    assert parts_needed("a" * 160, gsm_allowed=True) == 1
    assert parts_needed("a" * 161, gsm_allowed=True) == parts_needed("a" * 306, gsm_allowed=True) == 2
    cut = segments("a" * 152 + "€" + "b" * 20, gsm_allowed=True)
    assert [part[6:] for part in cut.parts] == [b"a" * 152, b"\x1b\x65" + b"b" * 20]


def test_more_than_255_parts_are_refused():
    assert parts_needed("办" * 67 * 255) == 255
    with pytest.raises(TextTooLong):
        segments("办" * (67 * 255 + 1))


def test_a_lone_surrogate_does_not_stop_the_message():
    assert segments("a\ud83d").parts == ("a?".encode("utf-16-be"),)


# ---- decoding


@pytest.mark.parametrize(
    ("data_coding", "octets", "text"),
    [
        (0, b"\x00 1 \x1b\x65", "@ 1 €"),  # GSM: 0 is the at sign, escape 0x65 the euro
        (0, b"\x1b\x41\x1b", "A"),  # an unknown escape shows the plain character, a last one nothing
        (0, b"1\xc4", "1�"),
        (1, b"1 12345", "1 12345"),
        (3, b"\xe9", "é"),
        (8, "同意😀".encode("utf-16-be"), "同意😀"),
        (8, b"\x4f\x60\x59", "你�"),
        (15, "同意".encode("gb18030"), "同意"),
        (15, b"1 12345\xff", "1 12345�"),
        (4, b"1 12345", "1 12345"),  # binary, but a code still gets through
    ],
)
def test_received_octets_become_text_and_what_cannot_is_marked(data_coding, octets, text):
    assert decode(octets, data_coding) == text


# ---- joining


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_what_is_cut_is_joined_again_in_any_order_with_duplicates(text, wide, gsm_allowed, random):
    cut = segments(text, reference=random.randint(0, 0xFFFF), wide=wide, gsm_allowed=gsm_allowed)
    parts = list(cut.parts) * 2
    random.shuffle(parts)
    reassembler = Reassembler()
    joined = [
        one
        for part in (parts if cut.has_header else cut.parts)
        for one in reassembler.take(received(part, coding=cut.coding, has_header=cut.has_header), now=0.0)
    ]
    assert texts(joined) == [text]
    assert len(joined[0].parts) == len(cut.parts)
    assert len(reassembler) == 0


def test_parts_join_in_every_order():
    cut = segments("一" * 67 + "二" * 67 + "三").parts
    for order in permutations(cut):
        reassembler = Reassembler()
        joined = [one for part in order for one in reassembler.take(received(part), now=0.0)]
        assert texts(joined) == ["一" * 67 + "二" * 67 + "三"]
        assert [part.raw for part in joined[0].parts] == list(cut)


def test_a_pair_that_the_phone_cut_is_whole_again():
    whole = "办" * 66 + "😀"
    octets = whole.encode("utf-16-be")
    reassembler = Reassembler()
    first = Concat(ConcatKind.NARROW, 1, 2, 1)
    second = Concat(ConcatKind.NARROW, 1, 2, 2)
    assert reassembler.take(Part("138", "1069", 8, octets[:134], first), now=0.0) == []
    assert texts(reassembler.take(Part("138", "1069", 8, octets[134:], second), now=0.0)) == [whole]


def test_senders_references_and_kinds_do_not_mix():
    reassembler = Reassembler()
    for source, kind, reference in [("138", "udh8", 1), ("139", "udh8", 1), ("138", "udh16", 1), ("138", "sar", 2)]:
        concat = Concat(ConcatKind(kind), reference, 2, 1)
        assert reassembler.take(Part(source, "1069", 8, b"\x4e\x00", concat), now=0.0) == []
    assert len(reassembler) == 4


def test_a_phone_that_reuses_its_reference_loses_nothing():
    reassembler = Reassembler()
    old, new = segments("旧" * 71).parts, segments("新" * 71).parts
    assert reassembler.take(received(old[0]), now=0.0) == []
    given = reassembler.take(received(new[0]), now=1.0)
    assert (texts(given), given[0].is_complete) == (["旧" * 67 + "…"], False)
    assert texts(reassembler.take(received(new[1]), now=2.0)) == ["新" * 71]
    # The same reference again, for other words: a new message and not a duplicate.
    assert reassembler.take(received(old[0]), now=3.0) == []
    assert texts(reassembler.take(received(old[1]), now=3.0)) == ["旧" * 71]


def test_parts_that_never_come_leave_a_gap():
    reassembler = Reassembler(patience_s=60)
    cut = segments("一" * 67 + "二" * 67 + "三").parts
    reassembler.take(received(cut[0]), now=100.0)
    reassembler.take(received(cut[2]), now=110.0)
    assert reassembler.next_timer() == 160.0
    assert reassembler.handle_timer(159.0) == []
    given = reassembler.handle_timer(160.0)
    assert (texts(given), given[0].is_complete) == (["一" * 67 + "…" + "三"], False)
    assert reassembler.next_timer() is None


def test_memory_is_bounded_and_what_is_crowded_out_is_given_out():
    reassembler = Reassembler(max_groups=2)
    cut = segments("一" * 71).parts
    given = [one for n in range(5) for one in reassembler.take(received(cut[0], source=str(n)), now=0.0)]
    assert [one.source for one in given] == ["0", "1", "2"]
    assert len(reassembler) == 2
    small = Reassembler(max_octets=300)
    given = [one for n in range(5) for one in small.take(received(cut[0], source=str(n)), now=0.0)]
    assert len(given) == 4


@pytest.mark.parametrize(
    "short_message",
    [
        b"",
        b"\xff1 12345",  # a header longer than the message is none
        b"\x05\x00\x03\x01\x02\x00x",  # part 0 of 2
        b"\x05\x00\x03\x01\x02\x03x",  # part 3 of 2
        b"\x05\x00\x03\x01\x00\x00x",  # part 0 of 0
        b"\x01\x00x",  # half an element
    ],
)
def test_an_impossible_header_makes_no_concatenation(short_message):
    assert split_header(short_message)[0] is None


def test_other_elements_of_the_header_are_skipped():
    # Port addressing (05) in front of the concatenation (00).
    header = bytes.fromhex("0b 0504 0b84 23f0 0003 07 02 01".replace(" ", ""))
    assert split_header(header + b"x") == (Concat(ConcatKind.NARROW, 7, 2, 1), b"x")
