"""HELLO and OPEN: any bytes are read or refused, and their first bytes never change."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hublink import hello as codec
from hublink.frame import PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_OFFERED
from tests.hublink.pair import hello

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
BYTES_8 = st.binary(min_size=8, max_size=8)
HELLOS = st.fixed_dictionaries(
    {
        "nonce": U16,
        "dictionary": U32,
        "hub_id": BYTES_8,
        "boot_id": BYTES_8,
        "boots": U16,
        "reset_cause": U8,
        "flags": U8,
        "credit": st.binary(min_size=6, max_size=6),
        "job": BYTES_8,
        "job_phase": U8,
        "job_received_bytes": U32,
        "scan_oldest": U32,
        "scan_next": U32,
        "name": st.text(max_size=60),
        "board": st.text(max_size=10),
        "firmware": st.text(max_size=10),
        "crumb": st.text(max_size=60),
        "payload_bytes": st.integers(PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_OFFERED),
    }
)


def full(**changes: Any) -> dict[str, Any]:
    return hello(nonce=5, dictionary=0xDEADBEEF, credit=b"\x10\x04\x08\x08\x08\x08", **changes)


@given(HELLOS)
def test_a_hello_comes_back_with_its_texts_cut_between_characters(said: dict[str, Any]) -> None:
    heard = codec.unpack_hello(memoryview(codec.pack_hello(said)))
    assert heard is not None
    for key in ("name", "board", "firmware", "crumb"):
        assert said.pop(key).startswith(text := heard.pop(key))
        assert len(text.encode()) <= 40
    assert heard == said | {"protocol_min": 1, "protocol_max": 1}


@given(HELLOS)
def test_the_longest_hello_fits_a_frame(said: dict[str, Any]) -> None:
    longest = said | dict.fromkeys(("name", "board", "firmware", "crumb"), "x" * 99)
    assert len(codec.pack_hello(longest)) <= PAYLOAD_BYTES_MAX


def test_a_chinese_name_is_cut_and_not_lost() -> None:
    heard = codec.unpack_hello(codec.pack_hello(full(name="收银台一号" * 4)))
    assert heard is not None
    assert heard["name"] == ("收银台一号" * 4)[:13]


@given(st.binary(max_size=240))
def test_any_bytes_are_a_hello_or_none(payload: bytes) -> None:
    heard = codec.unpack_hello(memoryview(payload))
    assert heard is None or "protocol_max" in heard


@given(st.data())
def test_a_hello_with_bytes_missing_is_none(data: st.DataObject) -> None:
    payload = codec.pack_hello(full())
    assert codec.unpack_hello(payload[: data.draw(st.integers(0, len(payload) - 1))]) is None


def test_a_text_that_is_no_utf8_shows_as_a_question_mark() -> None:
    payload = codec.pack_hello(full(name="")) + b""
    broken = payload.replace(b"\x07virtual", b"\x07\xff\xff\xff\xff\xff\xff\xff")
    heard = codec.unpack_hello(broken)
    assert heard is not None
    assert heard["board"] == "?"


@pytest.mark.parametrize("versions", [(2, 9), (0, 0)])
def test_of_a_foreign_protocol_the_range_is_read_whatever_follows(versions: tuple[int, int]) -> None:
    for rest in (b"", b"\xff" * 3, b"\0" * 200):
        assert codec.unpack_hello(bytes(versions) + rest) == {
            "protocol_min": versions[0],
            "protocol_max": versions[1],
        }


def test_a_newer_hub_that_still_speaks_our_version_is_understood() -> None:
    payload = bytearray(codec.pack_hello(full()))
    payload[1] = 7
    heard = codec.unpack_hello(bytes(payload) + b"what version 7 adds")
    assert heard is not None
    assert heard["protocol_max"] == 7
    assert heard["nonce"] == 5


@given(U16, BYTES_8, st.binary(min_size=6, max_size=6))
def test_an_open_comes_back(nonce: int, boot_id: bytes, credit: bytes) -> None:
    assert codec.unpack_open(codec.pack_open(nonce, boot_id, credit)) == (1, nonce, boot_id, credit)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_open_or_none(payload: bytes) -> None:
    opened = codec.unpack_open(memoryview(payload))
    if opened is not None and opened[0] == 1:
        assert struct.pack("<BH8s6s", *opened) == payload
