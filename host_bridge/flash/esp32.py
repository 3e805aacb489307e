"""MicroPython onto an ESP32, by esptool: which chip an image is for, and where it goes.

ESP-IDF, "App image format": magic byte 0xE9, the chip's number at offset 12 of the first image. MicroPython's .bin
begins with the bootloader, so it is laid where that belongs. The file system behind it stays as it is, unless all is
erased. An ESP32-S3 on its own USB may need that: MicroPython starts its USB after its file system (ports/esp32/main.c),
so never where other software's data is neither a file system nor blank.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from host_bridge.flash.errors import FlashError, missing_tool
from host_bridge.state import Text

IMAGE_BYTES_MIN: Final = 64 * 1024  # MicroPython has over a megabyte
IMAGE_BYTES_MAX: Final = 16 * 1024 * 1024
WRITE_DEADLINE_S: Final = 300  # 2 MB at 115200 baud take three minutes, at the usual 460800 a quarter of that
BAUD_RATE: Final = 460_800
_MAGIC: Final = 0xE9
_CHIP_AT: Final = 12
# number in the image: (board files' name, address of the bootloader)
_CHIPS: Final = {0: ("esp32", 0x1000), 9: ("esp32s3", 0x0)}


class EspImage(NamedTuple):
    path: Path
    chip: str
    address: int
    sha256: str


def read_image(path: Path, sha256: str | None = None) -> EspImage:
    """Look at a .bin file. Raises FlashError, OSError."""
    with path.open("rb") as file:
        data = file.read(IMAGE_BYTES_MAX + 1)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and sha256.lower() != digest:
        raise FlashError(
            Text(
                f"{path}: expected SHA-256 {sha256.lower()}, found {digest}",
                f"{path}：SHA-256 应为 {sha256.lower()}，实际为 {digest}",
            ),
            Text("Download the image again.", "请重新下载镜像。"),
        )
    chip = _CHIPS.get(int.from_bytes(data[_CHIP_AT : _CHIP_AT + 2], "little"))
    if not IMAGE_BYTES_MIN <= len(data) <= IMAGE_BYTES_MAX or data[0] != _MAGIC or chip is None:
        raise FlashError(
            Text(
                f"{path}: no MicroPython image for an ESP32 or ESP32-S3",
                f"{path}：不是适用于 ESP32 或 ESP32-S3 的 MicroPython 镜像",
            ),
            Text(
                "Take the .bin file of this board from micropython.org/download, not the .app-bin.",
                "请从 micropython.org/download 下载对应的 .bin 文件（不是 .app-bin）。",
            ),
        )
    return EspImage(path, chip[0], chip[1], digest)


def write_command(image: EspImage, port: str, *, erase_all: bool = False) -> list[str]:
    """esptool's command line. esptool reads back what it wrote and compares the hash."""
    esptool = [sys.executable, "-m", "esptool", "--chip", image.chip, "--port", port, "--baud", str(BAUD_RATE)]
    return [*esptool, "write-flash", *(["--erase-all"] if erase_all else []), hex(image.address), str(image.path)]


def write_image(image: EspImage, port: str, *, erase_all: bool = False) -> None:
    """Write the image; esptool's progress goes to the terminal. Raises FlashError."""
    if find_spec("esptool") is None:
        raise missing_tool("esptool")
    try:
        code = subprocess.run(
            write_command(image, port, erase_all=erase_all), timeout=WRITE_DEADLINE_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        code = -1
    if code != 0:
        raise FlashError(
            Text(f"esptool could not write to {port}", f"esptool 无法写入 {port}"),
            Text(
                "Hold the board's BOOT button while the command starts, and give it again.",
                "请按住开发板的 BOOT 按钮，再执行一次命令。",
            ),
        )
