"""Which board is it? By what MicroPython says, or by the boot drive of a chip that has no MicroPython yet."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from host_bridge.boards import files
from host_bridge.boards.schema import Board
from host_bridge.flash.errors import FlashError
from host_bridge.flash.prompt import Identity
from host_bridge.state import Text

# UF2: github.com/microsoft/uf2, families as Raspberry Pi assigned them.
UF2_BLOCK_BYTES: Final = 512
UF2_PAYLOAD_MAX: Final = 476
_UF2_HEAD: Final = struct.Struct("<8I")
_UF2_MAGIC: Final = (0x0A324655, 0x9E5D5157)
_UF2_MAGIC_END: Final = 0x0AB16F30
_UF2_NOT_MAIN_FLASH: Final = 0x1
_UF2_HAS_FAMILY: Final = 0x2000
FAMILIES: Final = {0xE48BFF56: "rp2040", 0xE48BFF59: "rp2350", 0xE48BFF5A: "rp2350", 0xE48BFF5B: "rp2350"}
_UF2_ABSOLUTE: Final = 0xE48BFF57  # a block that Raspberry Pi's tools put in front, for an erratum
IMAGE_BYTES_MAX: Final = 32 * 1024 * 1024
INFO_FILE: Final = "INFO_UF2.TXT"
INFO_BYTES_MAX: Final = 4096
COPY_BYTES: Final = 64 * 1024


class BootDrive(NamedTuple):
    """A chip that waits for an image: a drive with INFO_UF2.TXT on it."""

    path: Path
    chip: str  # "rp2040" or "rp2350"
    model: str


class Image(NamedTuple):
    """A UF2 file that holds together."""

    data: bytes
    chip: str
    sha256: str


def board_of(identity: Identity) -> str | None:
    """The name of the shipped board that MicroPython runs on; None if it is another one."""
    by_port = {board.port: board.name for board in _shipped()}
    build = identity.build.partition("-")[0]  # "ESP32_GENERIC-SPIRAM" is the same board with another module
    if build in by_port:
        return by_port[build]
    # Before MicroPython 1.25 only the words on the board are known; Pico 2 is written with and without the space.
    said = identity.machine.lower().replace(" ", "")
    for words, port in (
        ("picowwithrp2040", "RPI_PICO_W"),
        ("picowithrp2040", "RPI_PICO"),
        ("pico2wwithrp2350", "RPI_PICO2_W"),
        ("pico2withrp2350", "RPI_PICO2"),
        ("genericesp32s3module", "ESP32_GENERIC_S3"),
        ("genericesp32module", "ESP32_GENERIC"),
    ):
        if words in said:
            return by_port.get(port)
    return None


def chip_of(identity: Identity) -> str | None:
    """The chip, in the board files' words."""
    said = identity.machine.lower()
    return next((chip for chip in ("rp2040", "rp2350", "esp32s3", "esp32") if chip in said), None)


def fits(board: Board, identity: Identity) -> None:
    """Raises FlashError if the board file is for another chip."""
    chip = chip_of(identity)
    if chip is not None and chip != board.chip:
        raise FlashError(
            Text(
                f"the board says it is {identity.machine!r}; {board.name} is for {board.chip}",
                f"开发板自报为 {identity.machine!r}；{board.name} 适用于 {board.chip}",
            ),
            Text(
                "Name the right board with --board; counterhub boards list shows them.",
                "请用 --board 指定正确的板卡；counterhub boards list 可列出。",
            ),
        )


def _shipped() -> list[Board]:
    return [board for name in files.shipped() if (board := files.parse(files.read(name).text)).port]


# --- a chip without MicroPython


def find_boot_drives(mounts: Iterable[Path] | None = None) -> list[BootDrive]:
    """The drives of chips that wait for an image."""
    drives = []
    for mount in mounts if mounts is not None else _mounts():
        try:
            with (mount / INFO_FILE).open("rb") as file:
                said = file.read(INFO_BYTES_MAX).decode("ascii", "replace")
        except OSError:
            continue
        info = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
        board_id = info.get("Board-ID", "").upper()
        chip = "rp2350" if "RP2350" in board_id else "rp2040" if "RPI-RP2" in board_id else ""
        if chip:
            drives.append(BootDrive(mount, chip, info.get("Model", "")))
    return drives


def _mounts() -> list[Path]:
    """Where a removable drive may show up."""
    if os.name == "nt":
        return [Path(f"{letter}:\\") for letter in "DEFGHIJKLMNOPQRSTUVWXYZ"]
    parents = [Path("/Volumes"), *Path("/media").glob("*"), *Path("/run/media").glob("*"), Path("/media"), Path("/mnt")]
    found: list[Path] = []
    for parent in parents:
        try:
            found += [path for path in parent.iterdir() if path.is_dir()]
        except OSError:
            continue
    return found


def read_image(path: Path, sha256: str | None = None) -> Image:
    """Read a UF2 and see that it is whole. `sha256`: what the file must have. Raises FlashError, OSError."""
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
    if not data or len(data) > IMAGE_BYTES_MAX or len(data) % UF2_BLOCK_BYTES:
        raise _no_image(path, f"its size, {len(data)} bytes, is none of a UF2")
    families = set()
    counts: dict[int, tuple[int, set[int]]] = {}
    for at in range(0, len(data), UF2_BLOCK_BYTES):
        block = data[at : at + UF2_BLOCK_BYTES]
        first, second, flags, _address, size, number, count, family = _UF2_HEAD.unpack_from(block)
        if (first, second) != _UF2_MAGIC or struct.unpack_from("<I", block, 508)[0] != _UF2_MAGIC_END:
            raise _no_image(path, f"block {at // UF2_BLOCK_BYTES} is none of a UF2")
        if flags & _UF2_NOT_MAIN_FLASH or (flags & _UF2_HAS_FAMILY and family == _UF2_ABSOLUTE):
            continue
        if size > UF2_PAYLOAD_MAX or number >= count:
            raise _no_image(path, f"block {at // UF2_BLOCK_BYTES} contradicts itself")
        families.add(family if flags & _UF2_HAS_FAMILY else 0)
        counts.setdefault(family, (count, set()))[1].add(number)
    chips = {FAMILIES.get(family, "") for family in families}
    if len(chips) != 1 or "" in chips:
        raise _no_image(path, "it is for no RP2040 or RP2350, or for several chips")
    if any(len(numbers) != count for count, numbers in counts.values()):
        raise _no_image(path, "blocks are missing: the download broke off")
    return Image(data, chips.pop(), digest)


def copy_image(image: Image, drive: BootDrive) -> None:
    """Copy an image to a chip that waits for it; the chip restarts by itself. Raises FlashError, OSError."""
    if image.chip != drive.chip:
        raise FlashError(
            Text(
                f"the image is for {image.chip}, the board has an {drive.chip}",
                f"镜像适用于 {image.chip}，而开发板是 {drive.chip}",
            ),
            Text(
                "Take the image of this board from micropython.org/download.",
                "请从 micropython.org/download 下载对应镜像。",
            ),
        )
    # The drive goes away with the last block: an error after all was handed over is none.
    with (drive.path / "counterhub.uf2").open("wb", buffering=0) as file:
        for at in range(0, len(image.data), COPY_BYTES):
            file.write(image.data[at : at + COPY_BYTES])
        try:
            os.fsync(file.fileno())
        except OSError:
            return


def _no_image(path: Path, why: str) -> FlashError:
    return FlashError(
        Text(f"{path}: no MicroPython image for these boards: {why}", f"{path}：不是适用的 MicroPython 镜像（{why}）"),
        Text(
            "Take the .uf2 file of this board from micropython.org/download.",
            "请从 micropython.org/download 下载对应的 .uf2 文件。",
        ),
    )
