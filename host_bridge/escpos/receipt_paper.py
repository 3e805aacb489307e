"""Paper: where dots go, in strips that stay small in memory, and how a finished piece looks as a picture."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from PIL import Image, ImageDraw

PAPER_DOTS: Final = 576  # 72 mm printable on an 80 mm roll, 8 dots a mm
DOTS_PER_MM: Final = 8
INK: Final = 255  # a printed dot in a one-bit picture; anything else would not survive being inverted
MAX_PIECE_DOTS: Final = 10_000 * DOTS_PER_MM  # 10 m: longer than any receipt, a fifth of a roll
MAX_PICTURE_DOTS: Final = MAX_PIECE_DOTS  # a picture of several pieces ends here, torn

_STRIP_DOTS: Final = 1024
_ROW_BYTES: Final = PAPER_DOTS // 8

Edge = Literal["full", "partial", "torn"]

# What the picture's colours are; the paper's surroundings are transparent.
_CLEAR, _PAPER, _PAPER_EDGE, _BLACK = 0, 1, 2, 3
_SHADOW_STEPS: Final = 7
_SHADOW: Final = 4  # first of the shadow's steps, the darkest
_SIDE: Final = 32  # paper beside the printable width, 4 mm
_AROUND: Final = 12  # room for the shadow
_TOP_MARGIN: Final = 20
_BOTTOM_MARGIN: Final = 28
_GAP: Final = 10  # between two pieces in one picture
_TOOTH: Final = 6  # the cutter's teeth, dots


@dataclass(frozen=True)
class Piece:
    """Finished paper. Dots are kept packed: about 1 kB for a text receipt."""

    height_px: int
    edge: Edge
    strips: tuple[bytes, ...]

    def dots(self) -> Image.Image:
        """The printed area, one-bit, 255 is ink."""
        image = Image.new("1", (PAPER_DOTS, max(1, self.height_px)))
        for number, packed in enumerate(self.strips):
            strip = Image.frombytes("1", (PAPER_DOTS, _STRIP_DOTS), zlib.decompress(packed))
            image.paste(strip, (0, number * _STRIP_DOTS))
        return image

    def png(self) -> bytes:
        return draw_pieces([self])

    @property
    def stored_bytes(self) -> int:
        return sum(map(len, self.strips))


class Paper:
    """The paper under the head, from the last cut on. ``y`` is the head's position in dots."""

    def __init__(self) -> None:
        self.y = 0
        self.height = 0  # as far as paper or ink has come
        self._strips: list[Image.Image | bytes] = []

    @property
    def full(self) -> bool:
        return self.height >= MAX_PIECE_DOTS

    def feed(self, dots: int) -> None:
        """Move on, or back with a negative number, but never before the cut."""
        self.y = max(0, self.y + dots)
        self.height = max(self.height, self.y)

    def print_at(self, image: Image.Image, x: int, y: int) -> None:
        """Add the ink of a one-bit image; what lies beside the paper is lost."""
        bottom = y + image.height
        self.height = max(self.height, bottom)
        for number in range(max(0, y) // _STRIP_DOTS, max(0, bottom - 1) // _STRIP_DOTS + 1):
            self._strip(number).paste(INK, (x, y - number * _STRIP_DOTS), image)

    def piece(self, edge: Edge) -> Piece:
        """What is on the paper so far."""
        last = (self.height + _STRIP_DOTS - 1) // _STRIP_DOTS
        strips = [s if isinstance(s, bytes) else _packed(s) for s in self._strips[:last]]
        return Piece(self.height, edge, tuple(strips))

    def _strip(self, number: int) -> Image.Image:
        while len(self._strips) <= number:
            if len(self._strips) >= 2:  # the head has left the one before the last: pack it
                before = self._strips[-2]
                self._strips[-2] = before if isinstance(before, bytes) else _packed(before)
            self._strips.append(Image.new("1", (PAPER_DOTS, _STRIP_DOTS)))
        strip = self._strips[number]
        if isinstance(strip, bytes):  # paper was drawn back
            strip = Image.frombytes("1", (PAPER_DOTS, _STRIP_DOTS), zlib.decompress(strip))
            self._strips[number] = strip
        return strip


def _packed(strip: Image.Image) -> bytes:
    return zlib.compress(strip.tobytes(), 1)


def draw_pieces(pieces: Sequence[Piece]) -> bytes:
    """One PNG of all pieces, one below the other, as paper with its shadow and cut edges."""
    shown: list[tuple[int, int, Piece]] = []  # where the paper begins, its height in the picture
    y = _AROUND
    for piece in pieces:
        left = MAX_PICTURE_DOTS - y
        if left <= _TOP_MARGIN + _BOTTOM_MARGIN:
            break
        height = min(piece.height_px, left) + _TOP_MARGIN + _BOTTOM_MARGIN
        shown.append((y, height, piece))
        y += height + _GAP
    width = PAPER_DOTS + 2 * (_SIDE + _AROUND)
    picture = Image.new("P", (width, y - _GAP + _AROUND if shown else 2 * _AROUND), _CLEAR)
    for top, height, piece in shown:
        _draw_sheet(picture, top, height, piece.edge)
        dots = piece.dots()
        if dots.height > height - _TOP_MARGIN - _BOTTOM_MARGIN:
            dots = dots.crop((0, 0, PAPER_DOTS, max(1, height - _TOP_MARGIN - _BOTTOM_MARGIN)))
        picture.paste(_BLACK, (_AROUND + _SIDE, top + _TOP_MARGIN), dots)
    return _encode(picture)


def _draw_sheet(picture: Image.Image, top: int, height: int, edge: Edge) -> None:
    pen = ImageDraw.Draw(picture)
    x0, x1 = _AROUND, picture.width - _AROUND - 1
    y1 = top + height - 1
    for step in range(_SHADOW_STEPS, 0, -1):  # from the faint outside inwards
        colour = _SHADOW + step - 1
        pen.rounded_rectangle((x0 - step, top - step // 2, x1 + step, y1 + step), radius=step + 1, fill=colour)
    pen.polygon([(x0, top), (x1, top), *_lower_edge(x0, x1, y1, edge)], fill=_PAPER)
    for x in (x0, x1):
        pen.line((x, top, x, y1 - _TOOTH), fill=_PAPER_EDGE)
    pen.line((x0, top, x1, top), fill=_PAPER_EDGE)
    outline = _lower_edge(x0, x1, y1, edge)
    pen.line(outline, fill=_PAPER_EDGE)


def _lower_edge(x0: int, x1: int, y1: int, edge: Edge) -> list[tuple[int, int]]:
    """From right to left: the cutter's teeth; uncut in the middle after a partial cut; ragged where it was torn."""
    points: list[tuple[int, int]] = []
    if edge == "torn":
        chance = random.Random(x1)  # the same paper is torn the same way in each picture
        y = y1 - _TOOTH
        for x in range(x1, x0, -5):
            y = min(y1, max(y1 - 3 * _TOOTH, y + chance.randint(-3, 3)))
            points.append((x, y))
        return [*points, (x0, y)]
    middle = (x0 + x1) // 2
    for number, x in enumerate(range(x1, x0, -_TOOTH)):
        joined = edge == "partial" and abs(x - middle) < 3 * _TOOTH
        points.append((x, y1 if joined or number % 2 else y1 - _TOOTH + 1))
    return [*points, (x0, y1 - _TOOTH + 1)]


def _encode(picture: Image.Image) -> bytes:
    colours = [(255, 255, 255), (251, 250, 246), (226, 224, 217), (28, 27, 30)]
    alphas = [0, 255, 255, 255]
    for step in range(_SHADOW_STEPS):
        colours.append((150, 150, 155))
        alphas.append(70 - 9 * step)
    picture.putpalette([value for colour in colours for value in colour])
    out = io.BytesIO()
    picture.save(out, "PNG", bits=4, transparency=bytes(alphas), compress_level=4, dpi=(203, 203))
    return out.getvalue()
