"""Which board it is, and whether an image is whole and for it."""

from __future__ import annotations

import contextlib
import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.flash import recognise
from host_bridge.flash.errors import FlashError
from host_bridge.flash.prompt import Identity

RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59


def identity(machine: str, build: str = "") -> Identity:
    return Identity((1, 28, 0), machine, build, 6, b"id")


def uf2(family: int = RP2040, blocks: int = 4) -> bytes:
    return b"".join(
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + 256 * n, 256, n, blocks, family)
        + bytes([n]) * 476
        + struct.pack("<I", 0x0AB16F30)
        for n in range(blocks)
    )


def write(folder: Path, data: bytes) -> Path:
    path = folder / "image.uf2"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("machine", "build", "board"),
    [
        ("Raspberry Pi Pico with RP2040", "RPI_PICO", "pico"),
        ("Raspberry Pi Pico with RP2040", "", "pico"),
        ("Raspberry Pi Pico W with RP2040", "", "pico_w"),
        ("Raspberry Pi Pico2 with RP2350", "", "pico_2"),
        ("Raspberry Pi Pico 2 W with RP2350", "", "pico_2_w"),
        ("Generic ESP32 module with ESP32", "", "esp32_devkitc"),
        ("Generic ESP32 module with SPIRAM with ESP32", "ESP32_GENERIC-SPIRAM", "esp32_devkitc"),
        ("Generic ESP32S3 module with ESP32S3", "", "esp32_s3_devkitc"),
        ("linux [GCC 13.2.0] version", "", None),
    ],
)
def test_micropythons_words_name_the_board(machine: str, build: str, board: str | None) -> None:
    assert recognise.board_of(identity(machine, build)) == board


def test_the_chip_of_an_esp32_s3_is_not_an_esp32() -> None:
    assert recognise.chip_of(identity("Generic ESP32S3 module with ESP32S3")) == "esp32s3"
    assert recognise.chip_of(identity("Generic ESP32 module with ESP32")) == "esp32"


# --- boot drives and images


def drive(folder: Path, board_id: str) -> Path:
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_bytes(
        b"UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: " + board_id.encode() + b"\r\n"
    )
    return folder


def test_only_drives_of_waiting_chips_are_found(tmp_path: Path) -> None:
    (tmp_path / "camera").mkdir()
    mounts = [
        tmp_path / "camera",
        tmp_path / "gone",
        drive(tmp_path / "pico", "RPI-RP2"),
        drive(tmp_path / "pico2", "RP2350"),
        drive(tmp_path / "other", "SAMD51"),
    ]
    found = recognise.find_boot_drives(mounts)
    assert [(each.path.name, each.chip) for each in found] == [("pico", "rp2040"), ("pico2", "rp2350")]


def test_a_whole_image_is_copied_to_its_board(tmp_path: Path) -> None:
    data = uf2()
    image = recognise.read_image(write(tmp_path, data), hashlib.sha256(data).hexdigest().upper())
    (found,) = recognise.find_boot_drives([drive(tmp_path / "pico", "RPI-RP2")])
    recognise.copy_image(image, found)
    assert (tmp_path / "pico" / "counterhub.uf2").read_bytes() == data


def test_an_image_for_another_chip_is_not_copied(tmp_path: Path) -> None:
    image = recognise.read_image(write(tmp_path, uf2(RP2350)))
    (found,) = recognise.find_boot_drives([drive(tmp_path / "pico", "RPI-RP2")])
    with pytest.raises(FlashError, match="for rp2350, the board has an rp2040"):
        recognise.copy_image(image, found)
    assert not (tmp_path / "pico" / "counterhub.uf2").exists()


def test_the_wrong_hash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FlashError, match="expected SHA-256"):
        recognise.read_image(write(tmp_path, uf2()), "0" * 64)


def test_the_erratum_block_of_an_rp2350_image_is_no_second_chip(tmp_path: Path) -> None:
    erratum = struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, 0x10FFFF00, 256, 0, 2, 0xE48BFF57)
    image = recognise.read_image(write(tmp_path, erratum + bytes(476) + struct.pack("<I", 0x0AB16F30) + uf2(RP2350)))
    assert image.chip == "rp2350"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "size"),
        (b"<html>404</html>", "size"),
        (bytes(512), "block 0"),
        (uf2()[:-512], "broke off"),
        (uf2()[512:], "broke off"),
        (uf2(0x12345678), "no RP2040"),
        (uf2() + uf2(RP2350), "several"),
        (uf2()[:508] + bytes(4) + uf2()[512:], "block 0"),
    ],
)
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(FlashError, match=words):
        recognise.read_image(write(tmp_path, data))


@given(
    st.binary(max_size=3000)
    | st.builds(
        lambda noise, at: uf2()[:at] + noise + uf2()[at + len(noise) :], st.binary(max_size=40), st.integers(0, 2048)
    )
)
def test_no_bytes_break_the_reading_of_an_image(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = write(tmp_path_factory.getbasetemp(), data)
    with contextlib.suppress(FlashError):
        assert recognise.read_image(path).chip in ("rp2040", "rp2350")
