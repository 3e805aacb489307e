"""Bit images: how ESC/POS lays dots out in bytes, by rows and by columns."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageChops

from host_bridge.escpos.receipt_paper import INK, PAPER_DOTS

MAX_IMAGE_ROWS: Final = 65_535  # what two bytes can say
MAX_GRAPHICS_ROWS: Final = 2400  # of one picture in the graphics buffer; printers hold 831 to 2400
_TONES: Final = {49: 1, 50: 2, 51: 4, 52: 8}  # GS ( L, multiple tone: the weight of each plane


def from_rows(width_bytes: int, rows: int, data: bytes) -> Image.Image | None:
    """Rows of bytes, most significant bit on the left; what is beyond the paper's width is cut off."""
    rows = min(rows, len(data) // width_bytes) if width_bytes else 0
    if not rows:
        return None
    image = Image.frombytes("1", (width_bytes * 8, rows), data[: width_bytes * rows])
    return image if image.width <= PAPER_DOTS else image.crop((0, 0, PAPER_DOTS, rows))


def from_columns(columns: int, column_bytes: int, data: bytes) -> Image.Image | None:
    """Columns of bytes, most significant bit on top."""
    columns = min(columns, len(data) // column_bytes) if column_bytes else 0
    if not columns:
        return None
    lying = Image.frombytes("1", (column_bytes * 8, columns), data[: columns * column_bytes])
    image = lying.transpose(Image.Transpose.TRANSPOSE)
    return image if columns <= PAPER_DOTS else image.crop((0, 0, PAPER_DOTS, image.height))


def scaled(image: Image.Image, across: int, down: int) -> Image.Image:
    """Each dot several dots wide and high, no wider than the paper."""
    if across == down == 1:
        return image
    image = image.crop((0, 0, min(image.width, -(-PAPER_DOTS // across)), min(image.height, MAX_IMAGE_ROWS)))
    return image.resize((image.width * across, image.height * down), Image.Resampling.NEAREST)


def bit_image(mode: int, columns: int, data: bytes) -> Image.Image | None:
    """ESC *: 8 dots high (each printed three high) or 24; single density prints each column twice."""
    high = mode >= 32
    image = from_columns(columns, 3 if high else 1, data)
    if image is None:
        return None
    return scaled(image, 1 if mode & 1 else 2, 1 if high else 3)


def from_bmp(data: bytes) -> Image.Image | None:
    """A Windows bitmap in black and white, or None if it is none or too large."""
    try:
        with Image.open(io.BytesIO(data), formats=["BMP"]) as bitmap:
            if bitmap.width > PAPER_DOTS * 8 or bitmap.height > MAX_IMAGE_ROWS // 8:
                return None
            grey = bitmap.convert("L")
    except (OSError, ValueError, SyntaxError, EOFError):
        return None
    return ImageChops.invert(grey.convert("1").crop((0, 0, min(grey.width, PAPER_DOTS), grey.height)))


class ToneStack:
    """The graphics print buffer of GS ( L: planes that are printed together by function 50."""

    def __init__(self) -> None:
        self._planes: list[tuple[bool, int, Image.Image]] = []

    def add(self, image: Image.Image, colour: int, tones: bool) -> None:
        """Function 112 or 113. Only the newest planes count: there are four colours."""
        image = image.crop((0, 0, image.width, min(image.height, MAX_GRAPHICS_ROWS)))
        self._planes = [*self._planes[-3:], (tones, colour, image)]

    def take(self) -> Image.Image | None:
        """Function 50: the picture, and the buffer is empty."""
        planes, self._planes = self._planes, []
        if not planes:
            return None
        width = max(p.width for _, _, p in planes)
        height = max(p.height for _, _, p in planes)
        if len(planes) == 1 or not any(tones for tones, _, _ in planes):
            image = Image.new("1", (width, height))
            for _, _, plane in planes:
                image.paste(INK, (0, 0), plane)
            return image
        grey = Image.new("L", (width, height))
        for _, colour, plane in planes:
            weighted = Image.new("L", (width, height))
            weighted.paste(_TONES.get(colour, 8) * 17, (0, 0), plane)
            grey = ImageChops.add(grey, weighted)
        return grey.convert("1")
