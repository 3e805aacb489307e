"""Receipts on paper: read back from the picture, dot by dot and with a barcode reader."""

from __future__ import annotations

import io
import time
from functools import cache
from pathlib import Path

import pytest
import zxingcpp
from escpos.printer import Dummy
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from host_bridge.escpos.codepages import KanjiMode
from host_bridge.escpos.commands import CommandParser
from host_bridge.escpos.fonts import CELLS, FontRom, FontRomError, font_rom
from host_bridge.escpos.receipt import MAX_PIECES, ReceiptRenderer, render_job, render_receipts
from host_bridge.escpos.receipt_paper import MAX_PICTURE_DOTS, MAX_PIECE_DOTS, PAPER_DOTS, Piece

LINE = 30
GB2312 = [bytes((lead, trail)).decode("gb2312") for lead in range(0xB0, 0xF8) for trail in range(0xA1, 0xFF)
          if not (lead == 0xD7 and trail > 0xF9)]  # fmt: skip


def pieces(data: bytes, **options: KanjiMode) -> list[Piece]:
    renderer = ReceiptRenderer(**options)
    renderer.feed(CommandParser().feed(data))
    renderer.tear()
    return renderer.take_pieces()


def dots(data: bytes, **options: KanjiMode) -> Image.Image:
    """The printed area of the only piece."""
    (piece,) = pieces(data, **options)
    return piece.dots()


def ink_box(image: Image.Image) -> tuple[int, int, int, int]:
    box = image.getbbox()
    assert box is not None, "nothing was printed"
    return box


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGBA").convert("L")


@cache
def reading_table() -> dict[bytes, str]:
    """Every glyph that a reader of these tests knows, by its dots."""
    table = {}
    for bank, characters in (("A", map(chr, range(0x20, 0x7F))), ("K", GB2312 + list("：￥（），。！\u3000"))):
        for character in characters:
            glyph = font_rom().glyph(character, bank)
            assert glyph is not None
            table[glyph.tobytes()] = character
    return table


def read_line(image: Image.Image, row: int, cell: tuple[int, int], scale: tuple[int, int] = (1, 1), x: int = 0) -> str:
    """Read the characters of a line as a person would, by their shape."""
    text = ""
    width, height = cell[0] * scale[0], cell[1] * scale[1]
    while x + width <= image.width:
        glyph = image.crop((x, row, x + width, row + height)).resize(cell, Image.Resampling.NEAREST)
        text += reading_table().get(glyph.tobytes(), "?")
        x += width
    return text.rstrip()


# --- the character ROM


def test_every_chinese_character_of_gb2312_has_a_shape_of_its_own() -> None:
    shapes = {glyph.tobytes() for c in GB2312 if (glyph := font_rom().glyph(c, "K"))}
    assert len(GB2312) == 6763
    assert len(shapes) == len(GB2312)


def test_characters_are_drawn_neither_faint_nor_clotted() -> None:
    for character in GB2312[:3755]:
        glyph = font_rom().glyph(character, "K")
        assert glyph is not None
        x0, y0, x1, y1 = ink_box(glyph)
        ink = glyph.histogram()[255] / (24 * 24)
        assert 0.03 < ink < 0.62, character
        assert x1 - x0 <= 24 and y1 - y0 <= 24
        assert x1 - x0 >= 4 or y1 - y0 >= 10, character


def test_the_two_byte_range_is_complete() -> None:
    missing = []
    for lead in range(0x81, 0xFF):
        for trail in (*range(0x40, 0x7F), *range(0x80, 0xFF)):
            character = bytes((lead, trail)).decode("gb18030")
            if not "\ue000" <= character <= "\uf8ff" and font_rom().glyph(character, "K") is None:
                missing.append(character)
    assert missing == []


@pytest.mark.parametrize("bank", ["A", "B"])
def test_line_characters_join_from_cell_to_cell(bank: str) -> None:
    width, height = CELLS[bank]
    vertical, horizontal = font_rom().glyph("║", bank), font_rom().glyph("═", bank)
    cross = font_rom().glyph("╬", bank)
    assert vertical and horizontal and cross
    assert cross.crop((0, 0, width, 1)).tobytes() == vertical.crop((0, height - 1, width, height)).tobytes()
    assert cross.crop((0, 0, 1, height)).tobytes() == horizontal.crop((width - 1, 0, width, height)).tobytes()


def test_a_damaged_rom_is_refused_with_what_to_do() -> None:
    with pytest.raises(FontRomError, match="install again"):
        FontRom(b"not a rom" * 9)


# --- text


def test_latin_text_reads_back_dot_for_dot() -> None:
    image = dots(b"Total: 12.50 EUR\nSecond line ~{}|\n")
    assert read_line(image, 0, (12, 24)) == "Total: 12.50 EUR"
    assert read_line(image, LINE, (12, 24)) == "Second line ~{}|"


@pytest.mark.parametrize("before", [b"", b"\x1b@\x1bt\x00", b"\x1bt\x10", b"\x1bt\x12\x1bR\x00", b"\x1c&"])
def test_a_chinese_receipt_reads_right(before: bytes) -> None:
    image = dots(before + "鸿运超市欢迎光临\n合计：￥一百二十\n".encode("gb18030"))
    assert read_line(image, 0, (24, 24)) == "鸿运超市欢迎光临"
    assert read_line(image, LINE, (24, 24)) == "合计：￥一百二十"


def test_chinese_and_latin_stand_on_one_line() -> None:
    image = dots("雪碧330ml\n".encode("gb18030"))
    assert read_line(image.crop((0, 0, 48, 24)), 0, (24, 24)) == "雪碧"
    assert read_line(image, 0, (12, 24), x=48) == "330ml"


def test_double_size_chinese_is_the_same_shape_twice_as_large() -> None:
    for command in (b"\x1d!\x11", b"\x1b!\x30", b"\x1c!\x0c", b"\x1cW\x01"):
        image = dots(command + "合计\n".encode("gb18030"))
        assert read_line(image, 0, (24, 24), scale=(2, 2)) == "合计", command


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_character_split_between_two_portions_is_still_one(cut: int) -> None:
    data = "合计：二元\n".encode("gb18030")
    parser, renderer = CommandParser(), ReceiptRenderer()
    renderer.feed(parser.feed(data[:cut]))
    renderer.feed(parser.feed(data[cut:]))
    renderer.tear()
    assert read_line(renderer.take_pieces()[0].dots(), 0, (24, 24)) == "合计：二元"


def test_a_very_long_run_of_text_wraps_and_keeps_its_characters() -> None:
    image = dots("合".encode("gb18030") * 5000 + b"\n")
    assert read_line(image, LINE * 100, (24, 24)) == "合" * 24
    assert image.height == LINE * -(-5000 // 24)


@pytest.mark.parametrize(("n", "scale"), [(0x00, (1, 1)), (0x10, (2, 1)), (0x01, (1, 2)), (0x77, (8, 8))])
def test_character_sizes(n: int, scale: tuple[int, int]) -> None:
    image = dots(b"\x1d!" + bytes((n,)) + b"Ag\n")
    assert read_line(image, 0, (12, 24), scale=scale) == "Ag"
    assert image.height == max(LINE, 24 * scale[1])


def test_sizes_on_one_line_have_their_feet_together() -> None:
    image = dots(b"H\x1d!\x11H\n")
    assert ink_box(image.crop((0, 0, 12, 60)))[3] in range(40, 44)
    assert read_line(image, 24, (12, 24))[0] == "H"


def test_font_b_is_smaller() -> None:
    assert ink_box(dots(b"\x1bM\x01WWWW\n"))[2] <= 36
    assert dots(b"\x1b!\x01W\n").tobytes() == dots(b"\x1bM1W\n").tobytes()


def test_bold_is_one_dot_wider() -> None:
    plain, bold = dots(b"I\n"), dots(b"\x1bE\x01I\n")
    assert bold.histogram()[255] > plain.histogram()[255]
    assert ImageChops.logical_and(plain, bold).tobytes() == plain.tobytes()


@pytest.mark.parametrize("n", [1, 2])
def test_underline_is_as_thick_as_asked(n: int) -> None:
    image = dots(b"\x1b-" + bytes((n,)) + b"   \n")
    assert ink_box(image) == (0, 24 - n, 36, 24)


def test_inverse_is_white_on_black() -> None:
    image = dots(b"\x1dB\x01A\n")
    assert ImageChops.invert(image.crop((0, 0, 12, 24))).tobytes() == dots(b"A\n").crop((0, 0, 12, 24)).tobytes()


def test_upside_down_turns_the_whole_line() -> None:
    line = dots(b"\x1b{\x01abc\n").crop((0, 0, PAPER_DOTS, 24))
    assert line.transpose(Image.Transpose.ROTATE_180).tobytes() == dots(b"abc\n").crop((0, 0, PAPER_DOTS, 24)).tobytes()


def test_turned_characters_lie_on_their_side() -> None:
    image = dots(b"\x1bV\x01A\n").crop((0, 0, 24, 12))
    upright = dots(b"A\n").crop((0, 0, 12, 24))
    assert image.tobytes() == upright.transpose(Image.Transpose.ROTATE_270).tobytes()


@pytest.mark.parametrize(("n", "x"), [(0, 0), (1, 264), (2, 528), (49, 264), (50, 528)])
def test_alignment(n: int, x: int) -> None:
    image = dots(b"\x1ba" + bytes((n,)) + b"WXYZ\n")
    assert read_line(image, 0, (12, 24), x=x) == "WXYZ"


def test_alignment_changes_only_at_the_beginning_of_a_line() -> None:
    assert read_line(dots(b"AB\x1ba\x01CD\n"), 0, (12, 24)) == "ABCD"


def test_margin_width_position_and_tabs() -> None:
    assert read_line(dots(b"\x1dL\x64\x00A\n"), 0, (12, 24), x=100) == "A"
    assert read_line(dots(b"\x1dW\x30\x00ABCDEF\n"), LINE, (12, 24)) == "EF"
    assert read_line(dots(b"\x1b$\x90\x01A\n"), 0, (12, 24), x=400) == "A"
    assert read_line(dots(b"A\x1b\\\xf4\xffB\n"), 0, (12, 24)) != "A"  # B is printed over A
    assert read_line(dots(b"\tA\n"), 0, (12, 24), x=96) == "A"
    assert read_line(dots(b"\x1bD\x05\x0a\x00\tA\tB\n"), 0, (12, 24), x=60) == "A    B"


def test_line_spacing_and_feeds() -> None:
    assert dots(b"a\na\n").height == 2 * LINE
    assert dots(b"\x1b3\x40a\na\n\x1b2a\n").height == 2 * 64 + LINE
    assert dots(b"a\x1bJ\x50").height == 80
    assert dots(b"a\x1bd\x03").height == 3 * LINE
    assert dots(b"\x1b3\x00a\na\n").height == 48  # never less than the characters need


def test_user_defined_characters() -> None:
    solid = b"\x1b&\x03AA\x0c" + b"\xff" * 36 + b"\x1b%\x01A\n"
    assert ink_box(dots(solid)) == (0, 0, 12, 24)
    assert read_line(dots(solid + b"\x1b%\x00A\n"), LINE, (12, 24)) == "A"


def test_a_printer_without_kanji_reads_single_bytes() -> None:
    data = "好".encode("gb18030") + b"\n"
    assert dots(data, kanji=KanjiMode.OFF).tobytes() != dots(data, kanji=KanjiMode.ON).tobytes()


def test_unknown_commands_change_nothing() -> None:
    assert dots(b"\x1b\x01\x1d\x02\x1c\x03\x07A\n").tobytes() == dots(b"A\n").tobytes()


# --- pictures


def logo(width: int = 384, height: int = 120) -> Image.Image:
    image = Image.new("1", (width, height), 255)
    pen = ImageDraw.Draw(image)
    pen.ellipse((10, 10, width - 11, height - 11), fill=0)
    pen.rectangle((width // 2, 30, width // 2 + 20, height - 30), fill=255)
    return image


@pytest.mark.parametrize("way", ["bitImageRaster", "graphics", "bitImageColumn"])
def test_a_picture_of_python_escpos_arrives_dot_for_dot_whatever_way_it_takes(way: str) -> None:
    printer = Dummy()
    printer.image(logo(), impl=way, center=False)
    image = dots(printer.output).crop((0, 0, 384, 120))
    assert image.tobytes() == ImageChops.invert(logo()).tobytes()


@pytest.mark.parametrize(("mode", "size"), [(0, (8, 1)), (1, (16, 1)), (2, (8, 2)), (3, (16, 2)), (48, (8, 1))])
def test_raster_modes(mode: int, size: tuple[int, int]) -> None:
    assert ink_box(dots(b"\x1dv0" + bytes((mode,)) + b"\x01\x00\x01\x00\xff"))[2:] == size


@pytest.mark.parametrize(("mode", "width"), [(0, 8), (1, 4), (32, 8), (33, 4)])
def test_column_image_modes(mode: int, width: int) -> None:
    columns = 4 * (3 if mode >= 32 else 1)
    assert ink_box(dots(b"\x1b*" + bytes((mode,)) + b"\x04\x00" + b"\xff" * columns + b"\n")) == (0, 0, width, 24)


def test_stored_pictures() -> None:
    square = b"\x01\x01" + b"\xff" * 8
    assert ink_box(dots(b"\x1d*" + square + b"\x1d/\x00")) == (0, 0, 8, 8)
    assert ink_box(dots(b"\x1d*" + square + b"\x1d/\x03")) == (0, 0, 16, 16)
    assert ink_box(dots(b"\x1cq\x01\x01\x00\x01\x00" + b"\xff" * 8 + b"\x1b@\x1cp\x01\x00")) == (0, 0, 8, 8)
    define = b"\x1d(L\x13\x000C0ab\x01\x08\x00\x08\x001" + b"\xff" * 8
    assert ink_box(dots(define + b"\x1d(L\x06\x000Eab\x02\x01")) == (0, 0, 16, 8)


def test_tones_are_lighter_than_black() -> None:
    def stored(colour: int) -> bytes:
        body = b"0p4\x01\x01" + bytes((colour,)) + b"\x40\x00\x40\x00" + b"\xff" * 512
        return b"\x1d(L" + len(body).to_bytes(2, "little") + body

    shown = b"\x1d(L\x02\x0002"
    light = dots(stored(49) + stored(51) + shown).histogram()[255]
    dark = dots(b"".join(map(stored, (49, 50, 51, 52))) + shown).histogram()[255]
    assert 0 < light < dark == 64 * 64


def test_a_picture_wider_than_the_paper_is_cut_off() -> None:
    assert ink_box(dots(b"\x1dv0\x00\x60\x00\x01\x00" + b"\xff" * 96))[2] == PAPER_DOTS


def test_a_picture_that_never_became_complete_is_printed_as_far_as_it_came() -> None:
    (png,) = render_receipts(b"\x1dv0\x00\x48\x00\x40\x00" + b"\xff" * 720)
    assert picture(png).height < picture(render_job(b"\x1dv0\x00\x48\x00\x40\x00" + b"\xff" * 4608)).height


# --- bar codes


def scanned(data: bytes) -> str:
    """What a scanner reads off the finished picture."""
    found = zxingcpp.read_barcodes(picture(render_job(data)))
    assert len(found) == 1, [f.text for f in found]
    return str(found[0].text)


@pytest.mark.parametrize(
    ("m", "content", "read"),
    [
        (0, b"01234567890", "0012345678905"),
        (65, b"012345678905", "0012345678905"),
        (66, b"01234500006", "0012345000065"),
        (2, b"690123456789", "6901234567892"),
        (67, b"6901234567892", "6901234567892"),
        (68, b"9638507", "96385074"),
        (69, b"ABC-123", "ABC-123"),
        (4, b"*ABC*", "ABC"),
        (70, b"12345678", "12345678"),
        (71, b"A40156B", "A40156B"),
        (72, b"Code93", "Code93"),
        (73, b"{BHello-128", "Hello-128"),
        (73, b"{C\x0c\x22\x38", "123456"),
        (73, b"{BNo.{C1234{B{{x", "No.1234{x"),
        (79, b"auto 128", "auto 128"),
        (74, b"(01)06901234567892", "(01)06901234567892"),
    ],
)
def test_one_dimensional_codes_scan(m: int, content: bytes, read: str) -> None:
    head = bytes((0x1D, 0x6B, m))
    job = b"\x1ba\x01\x1dw\x02\x1dh\x50\x1dH\x02" + (
        head + content + b"\x00" if m <= 6 else head + bytes((len(content),)) + content
    )
    got = scanned(job + b"\n\n\x1dV\x00")
    assert got.lstrip("0") == read.lstrip("0")


def test_the_text_of_a_code_stands_where_it_was_asked_for() -> None:
    job = b"\x1dw\x02\x1dh\x50\x1dH%b\x1dkC\x0c690123456789"
    heights = [dots(job.replace(b"%b", bytes((n,)))).height for n in range(4)]
    assert heights == [80, 108, 108, 136]
    below = dots(job.replace(b"%b", b"\x02"))
    assert read_line(below, 84, (12, 24), x=(190 - 156) // 2)[:13] == "6901234567892"


def test_data_that_is_no_such_code_is_printed_as_text() -> None:
    assert read_line(dots(b"\x1dkC\x05abcde"), 0, (12, 24)) == "abcde"


def function(cn: int, fn: int, parameters: bytes) -> bytes:
    return b"\x1d(k" + (len(parameters) + 2).to_bytes(2, "little") + bytes((cn, fn)) + parameters


@pytest.mark.parametrize(
    ("cn", "module", "text"),
    [
        (48, 2, "PDF417 on a receipt"),
        (49, 6, "https://example.cn/发票/42"),
        (53, 6, "Aztec on a receipt"),
        (54, 6, "DataMatrix on a receipt"),
    ],
)
def test_two_dimensional_codes_scan(cn: int, module: int, text: str) -> None:
    size = function(cn, 67, bytes((module,))) if module else b""
    job = b"\x1ba\x01" + size + function(cn, 80, b"0" + text.encode()) + function(cn, 81, b"0") + b"\n\n\x1dV\x00"
    assert scanned(job) == text


def test_pdf417_has_the_columns_it_was_given() -> None:
    def width(columns: int) -> int:
        text = function(48, 65, bytes((columns,))) + function(48, 67, b"\x02") + function(48, 80, b"0" + b"x" * 60)
        return ink_box(dots(text + function(48, 81, b"0")))[2] // 2

    assert [width(n) for n in (2, 4)] == [17 * (2 + 4) + 1, 17 * (4 + 4) + 1]


def test_a_maxicode_scans() -> None:
    printed = dots(function(50, 80, b"2MAXICODE") + function(50, 81, b"0"))
    alone = Image.new("L", (400, 400), 255)
    alone.paste(0, (50, 50), printed.crop(ink_box(printed)))  # the reader finds it only with nothing around it
    assert [code.text for code in zxingcpp.read_barcodes(alone)] == ["MAXICODE"]


def test_a_qr_code_too_large_for_the_paper_is_not_printed() -> None:
    job = function(49, 67, b"\x10") + function(49, 80, b"0" + b"x" * 2000) + function(49, 81, b"0") + b"A\n"
    assert read_line(dots(job), 0, (12, 24)) == "A"


def test_qr_and_barcode_of_python_escpos_scan() -> None:
    printer = Dummy()
    printer.qr("https://example.org/42", size=5, native=True)
    printer.cut()
    assert scanned(printer.output) == "https://example.org/42"


# --- page mode


def test_a_page_is_printed_as_a_whole_in_all_directions() -> None:
    page = b"\x1bL\x1bW\x00\x00\x00\x00\x40\x02\xc8\x00" + b"".join(b"\x1bT" + bytes((n,)) + b"AB\n" for n in range(4))
    image = dots(page + b"\x0cC\n")
    assert image.height == 200 + LINE
    assert read_line(image, 0, (12, 24))[:2] == "AB"
    turned = image.crop((0, 0, PAPER_DOTS, 200)).transpose(Image.Transpose.ROTATE_180)
    assert read_line(turned, 0, (12, 24))[:2] == "AB"
    assert read_line(image, 200, (12, 24)) == "C"


def test_a_page_that_is_left_is_not_printed() -> None:
    assert read_line(dots(b"\x1bLlost\n\x1bSkept\n"), 0, (12, 24)) == "kept"


# --- the paper


def test_each_cut_is_a_piece_and_nothing_is_no_piece() -> None:
    assert render_receipts(b"") == []
    assert render_receipts(b"\x1b@\x1dV\x00\x1bp\x00\x32\x32") == []
    data = b"a\n\x1dV\x00b\n\x1dV\x01c\n\x1bid\n\x1bmrest"
    assert [p.edge for p in pieces(data)] == ["full", "partial", "partial", "partial", "torn"]
    assert len(render_receipts(data)) == 5


def test_the_picture_looks_like_paper() -> None:
    image = Image.open(io.BytesIO(render_job(b"A\n\x1dV\x00"))).convert("RGBA")
    assert image.crop((0, 0, 1, 1)).tobytes()[3] == 0  # nothing beside the paper
    paper = image.crop((image.width // 2, 20, image.width // 2 + 1, 21)).tobytes()
    assert paper[3] == 255 and min(paper[:3]) > 235
    assert sum(image.convert("L").histogram()[:60]) > 20
    assert PAPER_DOTS < image.width < PAPER_DOTS + 120


def test_the_picture_under_way_can_be_seen() -> None:
    renderer = ReceiptRenderer()
    assert picture(renderer.png()).height > 0
    renderer.feed(CommandParser().feed(b"A\n"))
    assert renderer.begun and renderer.y == LINE
    assert sum(picture(renderer.png()).histogram()[:60]) > 20


def test_paper_is_torn_off_after_ten_metres_and_goes_on() -> None:
    made = pieces(b"\x1bd\xff" * 15)  # each 7650 dots
    assert [p.edge for p in made] == ["torn", "torn"]
    assert made[0].height_px <= MAX_PIECE_DOTS + 255 * LINE
    assert sum(p.height_px for p in made) == 15 * 255 * LINE


def test_a_picture_of_a_job_ends_at_ten_metres() -> None:
    assert picture(render_job(b"\x1bd\xff" * 25)).height <= MAX_PICTURE_DOTS + 100


def test_only_so_many_pieces_are_kept() -> None:
    made = pieces(b"".join(b"%d\n\x1dV\x00" % n for n in range(MAX_PIECES + 10)))
    assert len(made) == MAX_PIECES
    assert read_line(made[-1].dots(), 0, (12, 24)) == str(MAX_PIECES + 9)


def test_a_40_kb_picture_is_drawn_well_within_a_tenth_of_a_second() -> None:
    data = b"\x1dv0\x00\x48\x00\x2b\x02" + bytes(range(256)) * 157
    render_job(data)
    best = min(_seconds(data) for _ in range(5))
    assert best < 0.1


def _seconds(data: bytes) -> float:
    begun = time.process_time()
    render_job(data)
    return time.process_time() - begun


def resident_bytes() -> int:
    """What this process holds; the pictures are not Python's own memory."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc")
    return int(statm.read_text().split()[1]) * 4096


@pytest.mark.parametrize(
    "line",
    [b"a line of text\n" * 40, b"\x1dv0\x00\x48\x00\xff\x04" + bytes(range(256)) * 360 + bytes(72)],
    ids=["text", "raster"],
)
def test_memory_stays_small_however_long_the_paper(line: bytes) -> None:
    renderer, parser = ReceiptRenderer(), CommandParser()
    renderer.feed(parser.feed(line))
    before = resident_bytes()
    for _ in range(60):  # up to 10 m a piece
        renderer.feed(parser.feed(line))
    assert resident_bytes() - before < 24 * 1024 * 1024
    assert renderer.begun


def test_a_job_that_never_ends_is_given_up_before_it_hurts() -> None:
    for data in (b"\x1b@" * 600_000, b"\n" * 600_000, b"\x1b$\x00\x00A" * 100_000, b"A" * 1_000_000):
        begun = time.process_time()  # whatever else the machine does meanwhile
        assert render_job(data)
        assert time.process_time() - begun < 10


def test_many_things_printed_over_each_other_are_one_line() -> None:
    image = dots(b"\x1b$\x00\x00A" * 3000 + b"B\n")
    assert read_line(image, 0, (12, 24)) == "AB"


def test_huge_characters_do_not_fill_the_memory() -> None:
    renderer, parser = ReceiptRenderer(), CommandParser()
    renderer.feed(parser.feed("天\n\x1d!\x77".encode("gb18030")))
    before = resident_bytes()
    for start in range(0, 3000, 100):  # 3000 of them would be 110 MB
        renderer.feed(parser.feed("".join(GB2312[start : start + 100]).encode("gb18030") + b"\n\x1dV\x00"))
        renderer.take_pieces()
    assert resident_bytes() - before < 32 * 1024 * 1024


_INTRODUCED = st.tuples(
    st.sampled_from([b"\x1b", b"\x1d", b"\x1c", b"\x1d(k", b"\x1d(L", b"\x1dk", b"\x1dv0"]), st.binary(max_size=24)
)


@given(st.lists(st.one_of(st.binary(max_size=40), _INTRODUCED.map(b"".join), st.just(b"\n")), max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_bytes_break_the_renderer(parts: list[bytes]) -> None:
    renderer, parser = ReceiptRenderer(), CommandParser()
    for part in parts:
        renderer.feed(parser.feed(part))
    renderer.feed_incomplete(parser.pending_name, parser.pending)
    renderer.tear()
    for piece in renderer.take_pieces():
        assert piece.height_px > 0
        assert piece.stored_bytes < 4_000_000


@given(st.binary(max_size=120))
@settings(max_examples=60, deadline=None)
def test_garbage_makes_a_picture_or_none(data: bytes) -> None:
    assert render_job(data).startswith(b"\x89PNG")
    assert all(png.startswith(b"\x89PNG") for png in render_receipts(data))
