"""The message dictionary: layouts, order of priority, and a hash that notices every change."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hublink import messages, words
from hublink.dictionary import DICTIONARY, hash_of
from hublink.messages import BY_CODE, BY_NAME, Message

NAMES = [entry[1] for entry in DICTIONARY]
_FIELD = {"B": st.integers(0, 0xFF), "H": st.integers(0, 0xFFFF), "I": st.integers(0, 0xFFFFFFFF)}


def values_for(layout: str) -> st.SearchStrategy[tuple[Any, ...]]:
    fields: list[st.SearchStrategy[Any]] = []
    count = ""
    for letter in layout.lstrip("<"):
        if letter.isdigit():
            count += letter
        elif letter == "s":
            fields.append(st.binary(min_size=int(count), max_size=int(count)))
            count = ""
        elif letter == "*":
            fields.append(st.binary(max_size=200))
        else:
            fields.append(_FIELD[letter])
    return st.tuples(*fields)


@given(st.data(), st.sampled_from(DICTIONARY))
def test_values_come_back_as_they_were_packed(data: st.DataObject, entry: tuple[int, str, str, str]) -> None:
    values = data.draw(values_for(entry[2]))
    message = BY_NAME[entry[1]]
    assert message.unpack(memoryview(message.pack(values))) == values


@given(st.sampled_from(DICTIONARY), st.binary(max_size=240))
def test_any_payload_is_read_or_refused(entry: tuple[int, str, str, str], payload: bytes) -> None:
    message = BY_CODE[entry[0]]
    values = message.unpack(memoryview(payload))
    if values is None:
        assert not entry[2].endswith("*") or len(payload) < struct.calcsize(entry[2][:-1] or "<")
    else:
        assert message.pack(values) == payload


@given(st.sampled_from([entry for entry in DICTIONARY if not entry[2].endswith("*")]), st.integers(0, 40))
def test_a_payload_of_another_length_is_refused(entry: tuple[int, str, str, str], length: int) -> None:
    wanted = struct.calcsize(entry[2])
    assert (BY_CODE[entry[0]].unpack(bytes(length)) is None) == (length != wanted)


def test_each_message_has_a_code_and_a_name_of_its_own() -> None:
    assert len({entry[0] for entry in DICTIONARY}) == len({entry[1] for entry in DICTIONARY}) == len(DICTIONARY)


def test_each_message_is_on_a_known_channel() -> None:
    assert all(entry[0] >> 4 < len(words.CHANNEL_NAMES) for entry in DICTIONARY)


@pytest.mark.parametrize("entry", DICTIONARY, ids=NAMES)
def test_fields_are_as_many_as_the_layout_has(entry: tuple[int, str, str, str]) -> None:
    layout = entry[2]
    fixed = layout[:-1] if layout.endswith("*") else layout
    count = len(struct.unpack(fixed, bytes(struct.calcsize(fixed)))) if fixed else 0
    assert len(entry[3].split()) == count + layout.endswith("*")


@pytest.mark.parametrize("entry", DICTIONARY, ids=NAMES)
def test_layouts_are_little_endian_and_unpadded(entry: tuple[int, str, str, str]) -> None:
    assert entry[2] == "*" or entry[2].startswith("<")


def test_the_hash_notices_a_changed_name_layout_field_or_order() -> None:
    assert hash_of(DICTIONARY) == messages.DICTIONARY_HASH
    hashes = {hash_of(DICTIONARY)}
    first, *rest = DICTIONARY
    for changed in (
        ((first[0], "credits", *first[2:]), *rest),
        ((*first[:2], "<BI", first[3]), *rest),
        ((*first[:3], "channel total"), *rest),
        ((first[0] + 8, *first[1:]), *rest),
        (*rest, first),
        rest,
    ):
        hashes.add(hash_of(changed))
    assert len(hashes) == 7


def test_values_that_the_layout_does_not_take_are_an_error() -> None:
    with pytest.raises(struct.error):
        Message(0x10, "kick", "<IBHI").pack((1, 2))
