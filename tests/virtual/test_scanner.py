from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.interfaces.services import Refused
from host_bridge.virtual.scanner import (
    BUFFER_LIMIT_BYTES,
    DATA_LIMIT_BYTES,
    TRIGGER_OFF,
    TRIGGER_ON,
    VirtualScanner,
    aim_identifier,
)


def scanner(sent: bytearray, **options: object) -> VirtualScanner:
    return VirtualScanner(sent.extend, lambda: len(sent), lambda plugged: None, **options)  # type: ignore[arg-type]


def test_a_scan_leaves_with_its_aim_identifier_and_suffix() -> None:
    sent = bytearray()
    scanner(sent).scan("4006381333931", "EAN-13")
    scanner(sent, suffix=b"", aim_prefix=False).scan("ABC", "]C0")
    scanner(sent, suffix=b"\r\n").scan("中", None)
    assert sent == b"]E04006381333931\rABC" + "中\r\n".encode()


@pytest.mark.parametrize(
    ("symbology", "bytes_sent"),
    [(None, b""), ("", b""), ("]E0", b"]E0"), ("ean13", b"]E0"), ("Code 128", b"]C0"), ("GS1 DataMatrix", b"]d2")],
)
def test_symbologies_go_by_identifier_or_name(symbology: str | None, bytes_sent: bytes) -> None:
    assert aim_identifier(symbology) == bytes_sent


@pytest.mark.parametrize("symbology", ["]", "]E0x", "E0]", "nonsense", "]E\n", "x" * 10000, "]中0"])
def test_an_unknown_symbology_is_refused_with_what_is_expected(symbology: str) -> None:
    with pytest.raises(Refused, match="AIM identifier") as refused:
        aim_identifier(symbology)
    assert refused.value.code == "scan_invalid" and len(refused.value.detail) < 200


@pytest.mark.parametrize("data", ["", "x" * (DATA_LIMIT_BYTES + 1)])
def test_empty_and_endless_barcodes_are_refused(data: str) -> None:
    with pytest.raises(Refused) as refused:
        scanner(bytearray()).scan(data, None)
    assert refused.value.code == "scan_invalid"


def test_scans_faster_than_the_line_are_refused_at_a_limit() -> None:
    sent = bytearray()
    one = scanner(sent)
    with pytest.raises(Refused) as refused:
        for _ in range(100):
            one.scan("x" * 7000, None)
    assert refused.value.code == "scanner_busy" and len(sent) <= BUFFER_LIMIT_BYTES


def test_an_unplugged_scanner_refuses_and_greets_with_its_banner_when_it_is_back() -> None:
    sent = bytearray()
    sense: list[bool] = []
    one = VirtualScanner(sent.extend, lambda: 0, sense.append, banner=b"V1.0\r\n")
    one.set_plugged(False)
    one.set_plugged(False)
    with pytest.raises(Refused) as refused:
        one.scan("1", None)
    assert refused.value.code == "scanner_unplugged"
    one.set_plugged(True)
    assert sense == [False, True] and sent == b"V1.0\r\n"


def test_the_hub_can_hold_the_trigger_off_until_it_lets_go_or_the_power_goes() -> None:
    sent = bytearray()
    one = scanner(sent)
    for byte in b"noise" + TRIGGER_OFF:
        one.receive(bytes([byte]))
    with pytest.raises(Refused) as refused:
        one.scan("1", None)
    assert refused.value.code == "scanner_held_off"
    one.receive(TRIGGER_ON)
    one.scan("1", None)
    one.receive(TRIGGER_ON + TRIGGER_OFF)
    assert not one.trigger_enabled
    one.set_plugged(False)
    one.set_plugged(True)
    one.scan("2", None)
    assert sent == b"1\r2\r"


@given(st.lists(st.binary(max_size=20), max_size=30))
def test_garbage_from_the_hub_is_held_in_two_bytes(pieces: list[bytes]) -> None:
    one = scanner(bytearray())
    for piece in pieces:
        one.receive(piece)
    assert len(one._command) <= 2
