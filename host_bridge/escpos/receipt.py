"""Draw receipts: a stream of ESC/POS commands in, paper out, dot for dot as an 80 mm printer with 203 dpi.

Commands and their defaults: Epson, "ESC/POS Command Reference". What a command says that this printer doesn't have
changes nothing; the next one is read all the same.

Theory of operation: characters and ESC * images gather on a line; a line feed lays them on the paper with their feet on
one line. Everything else that prints is a line of its own. In page mode lines go to a page instead, which is put on the
paper as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from PIL import Image

from host_bridge.escpos import receipt_codes as codes
from host_bridge.escpos import receipt_images as images
from host_bridge.escpos.codepages import KanjiMode, TextDecoder, split_incomplete
from host_bridge.escpos.commands import Command, CommandParser
from host_bridge.escpos.fonts import CELLS
from host_bridge.escpos.receipt_page import Page
from host_bridge.escpos.receipt_paper import INK, MAX_PICTURE_DOTS, PAPER_DOTS, Edge, Paper, Piece, draw_pieces
from host_bridge.escpos.receipt_state import MAX_TABS, GlyphPress, Layout, PictureStore, Style

MAX_PIECES: Final = 200  # pieces of paper kept for whoever fetches them; the oldest are dropped
MAX_JOB_COMMANDS: Final = 500_000  # a second or two of work
MAX_LINE_ITEMS: Final = 1024  # printed over each other on one line before they are put together
MAX_TEXT_BYTES: Final = 4096  # a run of text without a line feed is drawn in portions of this size
CUT_MARGIN_DOTS: Final = 16

_SLICE_BYTES: Final = 65_536


def render_receipts(data: bytes, *, kanji: KanjiMode = KanjiMode.AUTO) -> list[bytes]:
    """A PNG for each piece of paper that a job makes; empty if nothing prints.

    Ends early where a job is absurd: after ``MAX_PIECES``, ``MAX_PICTURE_DOTS`` of paper or ``MAX_JOB_COMMANDS``.
    """
    return [piece.png() for piece in _print(data, kanji)]


def render_job(data: bytes, *, kanji: KanjiMode = KanjiMode.AUTO) -> bytes:
    """One PNG of all that a job prints, at most ``MAX_PICTURE_DOTS`` high: what comes after is left out."""
    return draw_pieces(_print(data, kanji))


def _print(data: bytes, kanji: KanjiMode) -> list[Piece]:
    renderer = ReceiptRenderer(kanji=kanji)
    parser = CommandParser()
    pieces: list[Piece] = []
    obeyed = 0
    for start in range(0, len(data), _SLICE_BYTES):
        commands = parser.feed(data[start : start + _SLICE_BYTES])
        renderer.feed(commands)
        pieces += renderer.take_pieces()
        obeyed += len(commands)
        paper = sum(piece.height_px for piece in pieces) + renderer.y
        if len(pieces) >= MAX_PIECES or paper > MAX_PICTURE_DOTS or obeyed > MAX_JOB_COMMANDS:
            break
    else:
        renderer.feed_incomplete(parser.pending_name, parser.pending)
    renderer.tear()
    return [*pieces, *renderer.take_pieces()][:MAX_PIECES]


class ReceiptRenderer:
    """A printer's head and memory. Feed it commands; take the pieces of paper, or a picture of the one under way.

    Paper that isn't cut is torn off after ``MAX_PIECE_DOTS`` (10 m), and what follows is on the next piece.
    """

    def __init__(self, *, kanji: KanjiMode = KanjiMode.AUTO) -> None:
        self._kanji = kanji
        self._paper = Paper()
        self._pieces: list[Piece] = []
        self._press = GlyphPress()
        self._pictures = PictureStore()
        self._reset()

    def feed(self, commands: Iterable[Command]) -> None:
        """Obey commands in order."""
        for command in commands:
            if command.name == "text":
                self._take_text(command.data)
                continue
            handler = _HANDLERS.get(command.name)
            if handler is not None:
                self._end_text()
                handler(self, command.data)
                if self._paper.full:
                    self.tear()

    def feed_incomplete(self, name: str | None, data: bytes) -> None:
        """Print what has come of a raster image that will never be complete."""
        if name == "GS v 0" and len(data) > 8:
            self._raster(data)

    @property
    def y(self) -> int:
        """How far the paper has come since the last cut, in dots."""
        return self._paper.y

    @property
    def begun(self) -> bool:
        """Whether there is anything on this piece of paper, or on the line that will be printed next."""
        return self._paper.height > 0 or bool(self._line) or bool(self._text)

    def png(self) -> bytes:
        """The paper as it hangs out of the printer now: the last cut is its upper edge."""
        return draw_pieces([self._paper.piece("torn")])

    def tear(self) -> None:
        """End the piece without a cut, as when a person tears it off; a line not yet fed is printed first."""
        self._end_text()
        if self._line:
            self._feed_line(0)
        self._finish("torn")

    def drop_line(self) -> None:
        """Forget what was to be printed with the next line feed."""
        self._text = b""
        self._line.clear()
        self._x = 0

    def power_cycle(self) -> None:
        """Everything but NV pictures is forgotten."""
        self._reset()
        self._pictures.remove("DL")

    def take_pieces(self) -> list[Piece]:
        """The pieces finished since last asked, oldest first."""
        pieces, self._pieces = self._pieces, []
        return pieces

    # --- what a piece of paper is

    def _finish(self, edge: Edge) -> None:
        if self._paper.height:
            self._pieces = [*self._pieces[-(MAX_PIECES - 1) :], self._paper.piece(edge)]
        self._paper = Paper()

    def _cut(self, data: bytes) -> None:
        if self._page:
            return
        if self._line:
            self._feed_line(0)
        mode = data[2] if data[0] == 0x1D else 1
        if data[0] == 0x1D and len(data) > 3:
            self._paper.feed(self._layout.down(data[3]))
        if self._paper.height:
            self._paper.height += CUT_MARGIN_DOTS
        self._finish("full" if mode in (0, 48, 65, 97, 103) else "partial")

    # --- state

    def _reset(self, _: bytes = b"") -> None:
        """ESC @. Pictures and the paper stay."""
        self._style = Style()
        self._layout = Layout()
        self._decoder = TextDecoder(self._kanji)
        self._barcode = codes.BarcodeSettings()
        self._symbols = codes.Symbols()
        self._graphics = images.ToneStack()
        self._user_characters = False
        self._press.undefine()
        self._pictures.remove("GS *")
        self._text = b""  # bytes of a run that may go on
        self._line: list[tuple[int, Image.Image]] = []  # ink by its place from the left margin
        self._x = 0
        self._page: Page | None = None

    # --- text

    def _take_text(self, data: bytes) -> None:
        self._text += data
        if len(self._text) <= MAX_TEXT_BYTES:
            return
        text, self._text = self._text, b""
        for start in range(0, len(text), MAX_TEXT_BYTES):
            whole, self._text = split_incomplete(self._text + text[start : start + MAX_TEXT_BYTES])
            self._set_text(whole)

    def _end_text(self) -> None:
        text, self._text = self._text, b""
        if text:
            self._set_text(text)

    def _set_text(self, data: bytes) -> None:
        area = self._area
        for character, wide in self._decoder.decode(data):
            ink = self._press.draw(character, wide, self._style, user=self._user_characters)
            if self._x + ink.width > area and self._x > 0:
                self._feed_line(self._layout.line_dots)
            self._add(ink)

    def _add(self, ink: Image.Image) -> None:
        self._line.append((self._x, ink))
        self._x += ink.width
        if len(self._line) >= MAX_LINE_ITEMS:
            self._line = [(0, self._composed())]

    def _composed(self) -> Image.Image:
        """The line as one picture, everything with its feet at the bottom."""
        height = max(ink.height for _, ink in self._line)
        width = min(self._area, max(x + ink.width for x, ink in self._line))
        strip = Image.new("1", (width, height))
        for x, ink in self._line:
            strip.paste(INK, (x, height - ink.height), ink)
        return strip

    @property
    def _area(self) -> int:
        return self._page.width if self._page else self._layout.area

    def _feed_line(self, feed_dots: int) -> None:
        """Print the line and move on, at least by its own height."""
        height = 0
        if self._line:
            strip = self._composed()
            height = strip.height
            self._put(strip, turned=self._style.upside_down)
            self._line.clear()
        self._x = 0
        self._move(max(height, feed_dots))
        if self._paper.full and not self._page:
            self._finish("torn")

    def _put(self, image: Image.Image, *, turned: bool = False) -> None:
        """Lay a picture at the head's place, where ESC a says."""
        if self._page:
            self._page.put(image)
            return
        slack = self._layout.area - image.width
        x = self._layout.left + max(0, (0, slack // 2, slack)[self._layout.align])
        if turned:
            image = image.transpose(Image.Transpose.ROTATE_180)
            x = 2 * self._layout.left + self._layout.area - x - image.width
        if image.width > self._layout.area:
            image = image.crop((0, 0, self._layout.area, image.height))
        self._paper.print_at(image, x, self._paper.y)

    def _move(self, dots: int) -> None:
        if self._page:
            self._page.y += dots
        else:
            self._paper.feed(dots)

    def _block(self, image: Image.Image | None) -> None:
        """Print a picture as a line of its own."""
        if self._line:
            self._feed_line(0)
        if image is not None:
            self._put(image)
            self._move(image.height)

    # --- feeding

    def _line_feed(self, data: bytes) -> None:
        self._feed_line(self._layout.line_dots)

    def _feed_dots(self, data: bytes) -> None:
        self._feed_line(self._layout.down(data[2]))

    def _feed_lines(self, data: bytes) -> None:
        self._feed_line(self._layout.line_dots * data[2])

    def _feed_back(self, data: bytes) -> None:
        dots = self._layout.down(data[2]) if data[1] == 0x4B else self._layout.line_dots * min(data[2], 2)
        self._feed_line(0)
        self._move(-dots)

    # --- where

    def _tab(self, data: bytes) -> None:
        following = next((stop for stop in self._layout.tabs if stop > self._x), None)
        if following is not None and following < self._area:
            self._x = following

    def _set_tabs(self, data: bytes) -> None:
        cell = CELLS[self._style.font][0] * self._style.width + self._style.spacing
        stops: list[int] = []
        for stop in data[2:].rstrip(b"\x00")[:MAX_TABS]:
            if stops and stop * cell <= stops[-1]:
                break
            stops.append(stop * cell)
        self._layout.tabs = stops

    def _position(self, data: bytes) -> None:
        self._x = min(self._layout.across(_u16(data, 2)), self._area)

    def _move_position(self, data: bytes) -> None:
        x = self._x + self._layout.across(_s16(data, 2))
        if 0 <= x <= self._area:
            self._x = x

    def _left_margin(self, data: bytes) -> None:
        if not self._line:
            self._layout.left = min(self._layout.across(_u16(data, 2)), PAPER_DOTS - CELLS["A"][0])

    def _area_width(self, data: bytes) -> None:
        if not self._line:
            self._layout.width = self._layout.across(_u16(data, 2)) or PAPER_DOTS

    def _align(self, data: bytes) -> None:
        if not self._line and data[2] & ~0x30 <= 2:
            self._layout.align = data[2] & 3

    def _line_spacing(self, data: bytes) -> None:
        self._layout.line_dots = self._layout.down(data[2]) if data[1] == 0x33 else Layout().line_dots

    def _motion_units(self, data: bytes) -> None:
        self._layout.unit_x = data[2] or Layout().unit_x
        self._layout.unit_y = data[3] or Layout().unit_y

    # --- how

    def _print_mode(self, data: bytes) -> None:
        """ESC !. Printers differ on whether it holds for Chinese too; here it does, until FS ! says otherwise."""
        n, style = data[2], self._style
        style.font = "B" if n & 0x01 else "A"
        style.bold = bool(n & 0x08)
        style.height = style.kanji_height = 2 if n & 0x10 else 1
        style.width = style.kanji_width = 2 if n & 0x20 else 1
        style.underline = style.kanji_underline = 1 if n & 0x80 else 0

    def _size(self, data: bytes) -> None:
        if data[2] & 0x88:
            return
        style = self._style
        style.width = style.kanji_width = (data[2] >> 4) + 1
        style.height = style.kanji_height = (data[2] & 7) + 1

    def _font(self, data: bytes) -> None:
        self._style.font = "B" if data[2] in (1, 49) else "A"

    def _emphasis(self, data: bytes) -> None:
        self._style.bold = bool(data[2] & 1)

    def _underline(self, data: bytes) -> None:
        if data[2] & ~0x30 <= 2:
            self._style.underline = self._style.kanji_underline = data[2] & 3

    def _inverse(self, data: bytes) -> None:
        self._style.inverse = bool(data[2] & 1)

    def _upside_down(self, data: bytes) -> None:
        if not self._line:
            self._style.upside_down = bool(data[2] & 1)

    def _rotation(self, data: bytes) -> None:
        self._style.rotated = data[2] in (1, 2, 49, 50)

    def _spacing(self, data: bytes) -> None:
        self._style.spacing = self._layout.across(data[2])

    # --- characters

    def _code_page(self, data: bytes) -> None:
        self._decoder.choose_page(data[2])

    def _international(self, data: bytes) -> None:
        self._decoder.choose_international(data[2])

    def _kanji_on(self, data: bytes) -> None:
        self._decoder.kanji = KanjiMode.ON

    def _kanji_off(self, data: bytes) -> None:
        self._decoder.kanji = KanjiMode.OFF

    def _kanji_mode(self, data: bytes) -> None:
        n, style = data[2], self._style
        style.kanji_width = 2 if n & 0x04 else 1
        style.kanji_height = 2 if n & 0x08 else 1
        style.kanji_underline = 1 if n & 0x80 else 0

    def _kanji_quadruple(self, data: bytes) -> None:
        self._style.kanji_width = self._style.kanji_height = 2 if data[2] & 1 else 1

    def _kanji_underline(self, data: bytes) -> None:
        if data[2] & ~0x30 <= 2:
            self._style.kanji_underline = data[2] & 3

    def _kanji_spacing(self, data: bytes) -> None:
        self._style.kanji_left, self._style.kanji_right = map(self._layout.across, data[2:4])

    def _define_characters(self, data: bytes) -> None:
        column_bytes, first, last = data[2:5]
        position = 5
        for code in range(first, last + 1):
            columns = data[position]
            end = position + 1 + columns * column_bytes
            glyph = images.from_columns(columns, column_bytes, data[position + 1 : end])
            if glyph is not None:
                width, height = CELLS[self._style.font]
                cell = Image.new("1", (width, height))
                cell.paste(glyph, (0, 0))
                self._press.define(chr(code), cell)
            position = end

    def _choose_characters(self, data: bytes) -> None:
        self._user_characters = bool(data[2] & 1)

    def _cancel_characters(self, data: bytes) -> None:
        self._press.undefine(chr(data[2]))

    # --- pictures

    def _bit_image(self, data: bytes) -> None:
        image = images.bit_image(data[2], _u16(data, 3), data[5:])
        if image is not None and self._x < self._area:
            if self._x + image.width > self._area:
                image = image.crop((0, 0, self._area - self._x, image.height))
            self._add(image)

    def _raster(self, data: bytes) -> None:
        image = images.from_rows(_u16(data, 4), _u16(data, 6), data[8:])
        if image is not None:
            self._block(images.scaled(image, 1 + (data[3] & 1), 1 + (data[3] >> 1 & 1)))

    def _graphics_function(self, data: bytes) -> None:
        """GS ( L and GS 8 L: m, fn, parameters."""
        body = data[7:] if data[1] == 0x38 else data[5:]
        if len(body) < 2 or body[0] != 48:
            return
        function, rest = body[1], body[2:]
        if function in (112, 113) and len(rest) >= 8:
            image = _graphics_picture(rest[4:], by_rows=function == 112)
            if image is not None:
                across, down = (2 if rest[i] == 2 else 1 for i in (1, 2))
                self._graphics.add(images.scaled(image, across, down), rest[3], rest[0] == 52)
        elif function in (2, 50):
            self._block(self._graphics.take())
        elif function in (67, 68, 83, 84) and len(rest) >= 9:
            image = _graphics_picture(rest[4:8] + rest[9:], by_rows=function in (67, 83))
            if image is not None:
                self._pictures.put("NV" if function < 80 else "DL", rest[1:3], image)
        elif function in (69, 85) and len(rest) >= 4:
            stored = self._pictures.get("NV" if function == 69 else "DL", rest[:2])
            if stored is not None:
                self._block(images.scaled(stored, *(2 if n == 2 else 1 for n in rest[2:4])))
        elif function in (65, 81):
            self._pictures.remove("NV" if function == 65 else "DL")
        elif function in (66, 82):
            self._pictures.remove("NV" if function == 66 else "DL", rest[:2])

    def _define_bmp(self, data: bytes) -> None:
        image = images.from_bmp(data[9:])
        if image is not None and data[2] == 48 and data[3] in (67, 83):
            self._pictures.put("NV" if data[3] == 67 else "DL", data[5:7], image)

    def _define_nv(self, data: bytes) -> None:
        """FS q: all pictures of its kind are replaced."""
        self._pictures.remove("FS q")
        position = 3
        for number in range(1, data[2] + 1):
            columns, column_bytes = _u16(data, position) * 8, _u16(data, position + 2)
            end = position + 4 + columns * column_bytes
            image = images.from_columns(columns, column_bytes, data[position + 4 : end])
            if image is not None:
                self._pictures.put("FS q", bytes((number,)), image)
            position = end

    def _print_nv(self, data: bytes) -> None:
        self._print_stored("FS q", data[2:3], data[3])

    def _define_downloaded(self, data: bytes) -> None:
        image = images.from_columns(data[2] * 8, data[3], data[4:])
        if image is not None:
            self._pictures.put("GS *", b"", image)

    def _print_downloaded(self, data: bytes) -> None:
        self._print_stored("GS *", b"", data[2])

    def _print_stored(self, kind: str, key: bytes, mode: int) -> None:
        image = self._pictures.get(kind, key)
        if image is not None:
            self._block(images.scaled(image, 1 + (mode & 1), 1 + (mode >> 1 & 1)))

    # --- bar codes

    def _barcode_height(self, data: bytes) -> None:
        self._barcode.height = data[2] or self._barcode.height

    def _barcode_module(self, data: bytes) -> None:
        self._barcode.module = max(1, min(6, data[2] if data[2] < 68 else data[2] - 66))

    def _barcode_text(self, data: bytes) -> None:
        self._barcode.hri = data[2] & 3

    def _barcode_font(self, data: bytes) -> None:
        self._barcode.hri_font = "B" if data[2] in (1, 49) else "A"

    def _print_barcode(self, data: bytes) -> None:
        system = data[2]
        content = data[4:] if system >= 65 else data[3:].rstrip(b"\x00")
        drawn = codes.barcode(system, content, self._barcode)
        if drawn is None:  # what the printer can't encode, it prints as text
            self._set_text(bytes(c for c in content if 0x20 <= c < 0x7F))
            self._feed_line(self._layout.line_dots)
            return
        bars, text = drawn
        label = self._label(text, self._barcode.hri_font) if self._barcode.hri else None
        if label is None:
            self._block(bars)
            return
        above, below = self._barcode.hri & 1, self._barcode.hri >> 1
        width = max(bars.width, label.width)
        step = label.height + 4
        picture = Image.new("1", (min(width, PAPER_DOTS), bars.height + (above + below) * step))
        picture.paste(INK, ((picture.width - bars.width) // 2, above * step), bars)
        for shown, y in ((above, 0), (below, picture.height - label.height)):
            if shown:
                picture.paste(INK, ((picture.width - label.width) // 2, y), label)
        self._block(picture)

    def _label(self, text: str, font: str) -> Image.Image | None:
        """One line of plain text."""
        if not text:
            return None
        width, height = CELLS[font]
        label = Image.new("1", (width * len(text), height))
        for number, character in enumerate(text):
            label.paste(INK, (number * width, 0), self._press.draw(character, False, Style(font=font)))
        return label

    def _symbol_function(self, data: bytes) -> None:
        """GS ( k: pL pH cn fn parameters."""
        if len(data) < 7:
            return
        cn, function = data[5], data[6]
        if function == 81:
            self._block(codes.symbol(self._symbols, cn))
        else:
            codes.configure(self._symbols, cn, function, data[7:])

    # --- page mode

    def _page_mode(self, data: bytes) -> None:
        if self._line:
            self._feed_line(0)
        self._page = self._page or Page()

    def _standard_mode(self, data: bytes) -> None:
        self._page = None
        self.drop_line()

    def _page_area(self, data: bytes) -> None:
        if self._page:
            self._feed_line(0)
            x, y, width, height = (_u16(data, at) for at in (2, 4, 6, 8))
            across, down = self._layout.across, self._layout.down
            self._page.choose_area(across(x), down(y), across(width), down(height))

    def _page_direction(self, data: bytes) -> None:
        if self._page:
            self._feed_line(0)
            self._page.choose_direction(data[2] & 3)

    def _page_vertical(self, data: bytes) -> None:
        """GS $ absolute, GS \\ relative: where the feet of the next line stand."""
        if self._page:
            x = self._x
            if self._line:
                self._feed_line(0)
            self._x = x
            if data[1] == 0x24:
                self._page.stand_on(self._layout.down(_u16(data, 2)))
            else:
                self._page.y = max(0, self._page.y + self._layout.down(_s16(data, 2)))

    def _print_page(self, data: bytes) -> None:
        """FF prints and leaves page mode; ESC FF prints and stays."""
        if self._page is None:
            return
        if self._line:
            self._feed_line(0)
        page = self._page
        self._page = None
        image = page.image()
        if image is not None:
            self._paper.print_at(image, 0, self._paper.y)
            self._paper.feed(image.height)
        if data[0] == 0x1B:
            self._page = page

    def _cancel_page(self, data: bytes) -> None:
        if self._page:
            self._page = Page()
            self.drop_line()


def _graphics_picture(parameters: bytes, *, by_rows: bool) -> Image.Image | None:
    """xL xH yL yH and the dots, with x and y in dots."""
    width, height = _u16(parameters, 0), _u16(parameters, 2)
    if by_rows:
        image = images.from_rows((width + 7) // 8, height, parameters[4:])
    else:
        image = images.from_columns(width, (height + 7) // 8, parameters[4:])
    return image and image.crop((0, 0, min(width, image.width), min(height, image.height)))


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _s16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little", signed=True)


def _nothing(renderer: ReceiptRenderer, data: bytes) -> None:
    """Ends a run of text and does nothing else."""


_R = ReceiptRenderer
_HANDLERS: Final[dict[str, Callable[[ReceiptRenderer, bytes], None]]] = {
    "LF": _R._line_feed,
    "FF": _R._print_page,
    "CAN": _R._cancel_page,
    "HT": _R._tab,
    "ESC !": _R._print_mode,
    "ESC $": _R._position,
    "ESC %": _R._choose_characters,
    "ESC &": _R._define_characters,
    "ESC *": _R._bit_image,
    "ESC -": _R._underline,
    "ESC 2": _R._line_spacing,
    "ESC 3": _R._line_spacing,
    "ESC ?": _R._cancel_characters,
    "ESC @": _R._reset,
    "ESC D": _R._set_tabs,
    "ESC E": _R._emphasis,
    "ESC FF": _R._print_page,
    "ESC G": _R._emphasis,
    "ESC J": _R._feed_dots,
    "ESC K": _R._feed_back,
    "ESC L": _R._page_mode,
    "ESC M": _R._font,
    "ESC R": _R._international,
    "ESC S": _R._standard_mode,
    "ESC SP": _R._spacing,
    "ESC T": _R._page_direction,
    "ESC V": _R._rotation,
    "ESC W": _R._page_area,
    "ESC \\": _R._move_position,
    "ESC a": _R._align,
    "ESC d": _R._feed_lines,
    "ESC e": _R._feed_back,
    "ESC i": _R._cut,
    "ESC m": _R._cut,
    "ESC p": _nothing,
    "ESC t": _R._code_page,
    "ESC {": _R._upside_down,
    "FS !": _R._kanji_mode,
    "FS &": _R._kanji_on,
    "FS -": _R._kanji_underline,
    "FS .": _R._kanji_off,
    "FS C": _nothing,  # JIS or Shift-JIS: the Chinese models have one code system
    "FS S": _R._kanji_spacing,
    "FS W": _R._kanji_quadruple,
    "FS p": _R._print_nv,
    "FS q": _R._define_nv,
    "GS !": _R._size,
    "GS $": _R._page_vertical,
    "GS ( L": _R._graphics_function,
    "GS ( k": _R._symbol_function,
    "GS *": _R._define_downloaded,
    "GS /": _R._print_downloaded,
    "GS 8 L": _R._graphics_function,
    "GS B": _R._inverse,
    "GS D": _R._define_bmp,
    "GS H": _R._barcode_text,
    "GS L": _R._left_margin,
    "GS P": _R._motion_units,
    "GS V": _R._cut,
    "GS W": _R._area_width,
    "GS \\": _R._page_vertical,
    "GS f": _R._barcode_font,
    "GS h": _R._barcode_height,
    "GS k": _R._print_barcode,
    "GS v 0": _R._raster,
    "GS w": _R._barcode_module,
}
