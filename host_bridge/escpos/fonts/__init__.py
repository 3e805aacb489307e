"""The receipt printer's character ROM: one-bit glyphs in the sizes a thermal printer has."""

from __future__ import annotations

import struct
import threading
import zlib
from functools import lru_cache
from importlib import resources

from PIL import Image

# Written by build_rom.py, which says what the banks are.
_MAGIC = b"RCPTROM1"
_ENTRY = struct.Struct("<cBHI")
_FILE = "receipt24.rom"
CELLS: dict[str, tuple[int, int]] = {"A": (12, 24), "B": (9, 17), "K": (24, 24)}  # dots: width, height
_MISSING = {"A": "K", "K": "A"}  # a character that only the other bank has


class FontRomError(Exception):
    """The ROM file is not what it should be: the installation is damaged."""


class FontRom:
    """Glyphs by character and bank. Pages of 256 are unpacked when first used, about 10 kB each."""

    def __init__(self, data: bytes) -> None:
        if data[: len(_MAGIC)] != _MAGIC:
            raise FontRomError(f"{_FILE}: expected {_MAGIC!r} at the start, found {data[:8]!r}; install again")
        (count,) = struct.unpack_from("<H", data, len(_MAGIC))
        directory = len(_MAGIC) + 2
        position = directory + count * _ENTRY.size
        self._packed: dict[tuple[str, int], tuple[int, int]] = {}
        for number in range(count):
            bank, _, page, length = _ENTRY.unpack_from(data, directory + number * _ENTRY.size)
            self._packed[bank.decode(), page] = (position, length)
            position += length
        if position != len(data):
            raise FontRomError(f"{_FILE}: expected {position} bytes, found {len(data)}; install again")
        self._data = data
        self._pages: dict[tuple[str, int], dict[int, Image.Image]] = {}
        self._lock = threading.Lock()  # receipts are drawn in worker threads

    def glyph(self, character: str, bank: str) -> Image.Image | None:
        """The one-bit picture of a character (255 is ink), or None if the printer does not have it."""
        code = ord(character)
        key = (bank, code >> 8)
        page = self._pages.get(key)
        if page is None:
            with self._lock:
                page = self._pages[key] = self._unpack(key)
        return page.get(code & 0xFF)

    def _unpack(self, key: tuple[str, int]) -> dict[int, Image.Image]:
        place = self._packed.get(key)
        if place is None:
            return {}
        start, length = place
        block = zlib.decompress(self._data[start : start + length])
        present = int.from_bytes(block[:32], "little")
        width, height = CELLS[key[0]]
        size = (width + 7) // 8 * height
        glyphs: dict[int, Image.Image] = {}
        position = 32
        for low in range(256):
            if present >> low & 1:
                glyphs[low] = Image.frombytes("1", (width, height), block[position : position + size])
                position += size
        return glyphs


@lru_cache(maxsize=1)
def font_rom() -> FontRom:
    """The ROM that comes with the product, read on first use."""
    return FontRom(resources.files(__package__).joinpath(_FILE).read_bytes())
