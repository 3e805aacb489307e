"""Images for the ESP32 family: which chip, which address, and what esptool is told."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from host_bridge.flash import esp32
from host_bridge.flash.errors import FlashError


def image(chip: int, size: int = 70_000) -> bytes:
    return (b"\xe9" + bytes(11) + chip.to_bytes(2, "little")).ljust(size, b"\xff")


def write(folder: Path, data: bytes) -> Path:
    path = folder / "image.bin"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("number", "chip", "address"), [(0, "esp32", "0x1000"), (9, "esp32s3", "0x0")])
def test_the_image_says_its_chip_and_so_its_address(tmp_path: Path, number: int, chip: str, address: str) -> None:
    path = write(tmp_path, image(number))
    command = esp32.write_command(esp32.read_image(path), "/dev/ttyUSB0")
    assert command[command.index("--chip") + 1] == chip
    assert command[command.index("--port") + 1] == "/dev/ttyUSB0"
    assert command[-3:] == ["write-flash", address, str(path)]
    command = esp32.write_command(esp32.read_image(path), "/dev/ttyUSB0", erase_all=True)
    assert command[-4:] == ["write-flash", "--erase-all", address, str(path)]


@pytest.mark.parametrize("data", [b"", b"<html>", image(5), image(0, 1000), b"\x00" + image(0)[1:]])
def test_another_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FlashError, match="no MicroPython image"):
        esp32.read_image(write(tmp_path, data))


def test_the_hash_is_checked(tmp_path: Path) -> None:
    path = write(tmp_path, image(0))
    digest = hashlib.sha256(image(0)).hexdigest()
    assert esp32.read_image(path, digest.upper()).sha256 == digest
    with pytest.raises(FlashError, match="expected SHA-256"):
        esp32.read_image(path, "0" * 64)


def test_a_missing_esptool_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(esp32, "find_spec", lambda name: None)
    with pytest.raises(FlashError, match="esptool isn't installed") as caught:
        esp32.write_image(esp32.read_image(write(tmp_path, image(0))), "COM3")
    assert caught.value.remedy is not None
    assert "counterhub[setup]" in caught.value.remedy.en


@pytest.mark.parametrize("fails", ["code", "time"])
def test_an_esptool_that_fails_or_hangs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    def run(command: list[str], timeout: float, check: bool) -> subprocess.CompletedProcess[bytes]:
        if fails == "time":
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr(esp32, "find_spec", lambda name: object())
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(FlashError, match="could not write") as caught:
        esp32.write_image(esp32.read_image(write(tmp_path, image(9))), "COM3")
    assert caught.value.remedy is not None
    assert "BOOT" in caught.value.remedy.en
