"""What the printer remembers between commands: how text looks, where it goes, what was downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from PIL import Image, ImageChops

from host_bridge.escpos.fonts import CELLS, font_rom
from host_bridge.escpos.receipt_paper import INK, PAPER_DOTS

DEFAULT_LINE_DOTS: Final = 30  # ESC 2 at 203 dots an inch: 3.75 mm
DPI: Final = 203
MAX_TABS: Final = 32  # ESC D
MAX_READY_DOTS: Final = 4 * 1024 * 1024  # drawn characters kept ready, a byte a dot
MAX_STORED_DOTS: Final = 8 * 1024 * 1024  # all downloaded and NV pictures together: 1 MB, as the larger printers have


@dataclass
class Style:
    """How the next character looks."""

    font: str = "A"
    width: int = 1  # 1...8
    height: int = 1
    kanji_width: int = 1
    kanji_height: int = 1
    bold: bool = False
    underline: int = 0  # dots
    kanji_underline: int = 0
    inverse: bool = False
    rotated: bool = False  # 90 degrees clockwise
    upside_down: bool = False
    spacing: int = 0  # ESC SP, dots on the right
    kanji_left: int = 0  # FS S
    kanji_right: int = 0


@dataclass
class Layout:
    """Where the next line goes, in dots."""

    left: int = 0
    width: int = PAPER_DOTS
    align: int = 0  # 0 left, 1 centre, 2 right
    line_dots: int = DEFAULT_LINE_DOTS
    unit_x: int = DPI  # motion units an inch, GS P
    unit_y: int = DPI
    tabs: list[int] = field(default_factory=lambda: [n * 8 * CELLS["A"][0] for n in range(1, PAPER_DOTS // 96 + 1)])

    def across(self, units: int) -> int:
        return round(units * DPI / self.unit_x)

    def down(self, units: int) -> int:
        return round(units * DPI / self.unit_y)

    @property
    def area(self) -> int:
        """The width that can really be printed on."""
        return max(CELLS["A"][0], min(self.width, PAPER_DOTS - self.left))


class _Look(NamedTuple):
    """All that decides how a character is drawn."""

    character: str
    bank: str
    width: int
    height: int
    bold: bool
    underline: int
    inverse: bool
    rotated: bool
    left: int
    right: int


class GlyphPress:
    """Draws characters in all their styles; the ones in use stay ready."""

    def __init__(self) -> None:
        self._ready: dict[_Look, Image.Image] = {}
        self._ready_dots = 0
        self._user: dict[str, Image.Image] = {}  # ESC & characters; ESC % chooses them

    def define(self, character: str, image: Image.Image) -> None:
        self._user[character] = image
        self._forget_ready()

    def undefine(self, character: str | None = None) -> None:
        """ESC ?: forget one, or all."""
        if character is None:
            self._user.clear()
        else:
            self._user.pop(character, None)
        self._forget_ready()

    def draw(self, character: str, wide: bool, style: Style, *, user: bool = False) -> Image.Image:
        """The ink of one character, in a cell with its spacing."""
        if wide:
            look = _Look(
                character, "K", style.kanji_width, style.kanji_height, style.bold, style.kanji_underline,
                style.inverse, style.rotated, style.kanji_left, style.kanji_right,
            )  # fmt: skip
        else:
            bank = "user" if user and character in self._user else style.font
            look = _Look(
                character, bank, style.width, style.height, style.bold, style.underline,
                style.inverse, style.rotated, 0, style.spacing,
            )  # fmt: skip
        image = self._ready.get(look)
        if image is None:
            image = self._drawn(look)
            self._ready_dots += image.width * image.height
            if self._ready_dots > MAX_READY_DOTS:
                self._forget_ready()
                self._ready_dots = image.width * image.height
            self._ready[look] = image
        return image

    def _forget_ready(self) -> None:
        self._ready.clear()
        self._ready_dots = 0

    def _drawn(self, look: _Look) -> Image.Image:
        glyph = self._user[look.character] if look.bank == "user" else _rom_glyph(look.character, look.bank)
        if look.bold:
            glyph = emboldened(glyph)
        if look.width > 1 or look.height > 1:
            size = (glyph.width * look.width, glyph.height * look.height)
            glyph = glyph.resize(size, Image.Resampling.NEAREST)
        if look.rotated:
            glyph = glyph.transpose(Image.Transpose.ROTATE_270)
        left, right = look.left * look.width, look.right * look.width
        cell = Image.new("1", (left + glyph.width + right, glyph.height))
        cell.paste(glyph, (left, 0))
        if look.inverse:
            return ImageChops.invert(cell)
        if look.underline and not look.rotated:
            cell.paste(INK, (0, cell.height - look.underline, cell.width, cell.height))
        return cell


def emboldened(glyph: Image.Image) -> Image.Image:
    """As a printer does it: every dot once more, one to the right."""
    bold = glyph.copy()
    bold.paste(INK, (1, 0), glyph)
    return bold


def _rom_glyph(character: str, bank: str) -> Image.Image:
    """From the ROM; from the other bank, squeezed, if only that has it; a hollow box if none has."""
    rom = font_rom()
    glyph = rom.glyph(character, bank)
    if glyph is not None:
        return glyph
    width, height = CELLS[bank]
    for other in ("A", "K"):
        glyph = rom.glyph(character, other)
        if glyph is not None:
            if other == "A" and bank == "K":
                cell = Image.new("1", (width, height))
                cell.paste(glyph, ((width - glyph.width) // 2, 0))
                return cell
            return glyph.resize((width, height), Image.Resampling.NEAREST)
    box = Image.new("1", (width, height))
    if character.isprintable() and not character.isspace():
        box.paste(INK, (2, 3, width - 2, height - 4))
        box.paste(0, (3, 4, width - 3, height - 5))
    return box


class PictureStore:
    """Downloaded and NV pictures by key. What doesn't fit is not stored, as on a printer whose memory is full."""

    def __init__(self) -> None:
        self._pictures: dict[tuple[str, bytes], Image.Image] = {}

    def put(self, kind: str, key: bytes, picture: Image.Image) -> None:
        self._pictures.pop((kind, key), None)
        used = sum(p.width * p.height for p in self._pictures.values())
        if used + picture.width * picture.height <= MAX_STORED_DOTS:
            self._pictures[kind, key] = picture

    def get(self, kind: str, key: bytes) -> Image.Image | None:
        return self._pictures.get((kind, key))

    def remove(self, kind: str, key: bytes | None = None) -> None:
        """One, or all of a kind."""
        for stored in [k for k in self._pictures if k[0] == kind and key in (None, k[1])]:
            del self._pictures[stored]
