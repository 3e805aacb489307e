"""Draw the character ROM `receipt24.rom` from outline fonts. Run once by hand; the product never needs the fonts.

    python build_rom.py NotoSansCJK-Regular.ttc NotoSansMono-Regular.ttf receipt24.rom

Both fonts are in Debian: fonts-noto-cjk and fonts-noto-mono.

Three banks of one-bit glyphs, as a thermal printer has them: A (12x24) and B (9x17) for single-byte code pages, K
(24x24) for the two-byte range. A code point such as U+2500 or the Cyrillic letters is in all of them: which one prints
depends on whether it was sent as one byte or as two.
"""

from __future__ import annotations

import argparse
import struct
import sys
import unicodedata
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

MAGIC = b"RCPTROM1"
ENTRY = struct.Struct("<cBHI")  # bank, 0, page (code point >> 8), compressed length

SINGLE_BYTE_CODECS = (
    "cp437",
    "cp720",
    "cp737",
    "cp775",
    "cp850",
    "cp852",
    "cp855",
    "cp857",
    "cp858",
    "cp860",
    "cp861",
    "cp863",
    "cp865",
    "cp866",
    "cp869",
    "cp1125",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1257",
    "cp1258",
    "iso8859_2",
    "iso8859_7",
    "iso8859_15",
    "kz1048",
)

Draw = Callable[[str], "Image.Image | None"]


def single_byte_characters() -> list[str]:
    """Everything that the code pages of ESC t can name, and half-width katakana."""
    found = {chr(c) for c in range(0x20, 0x7F)} | {chr(c) for c in range(0xFF61, 0xFFA0)} | set("₩₫₹₽€")
    for codec in SINGLE_BYTE_CODECS:
        found |= set(bytes(range(0xA0 if codec.startswith("iso") else 0x80, 0x100)).decode(codec, "ignore"))
    return sorted(c for c in found if not unicodedata.category(c).startswith("C"))


def two_byte_characters() -> list[str]:
    """The two-byte range of GB18030, which is GBK, and the few ideographs GB18030 added in its four-byte range."""
    found = set()
    for lead in range(0x81, 0xFF):
        for trail in (*range(0x40, 0x7F), *range(0x80, 0xFF)):
            found.add(bytes((lead, trail)).decode("gb18030", "ignore"))
    found |= {chr(c) for c in (*range(0x9FA6, 0x9FFD), *range(0xFF01, 0xFF5F), *range(0x20, 0x7F))}
    return sorted(c for c in found if c and unicodedata.category(c) not in ("Cc", "Cn", "Co"))


def box_drawing(character: str, width: int, height: int) -> Image.Image | None:
    """Lines and blocks by geometry, so that they join exactly from cell to cell."""
    name = unicodedata.name(character, "")
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    blocks = {
        "FULL BLOCK": (0, 0, width, height),
        "LOWER HALF BLOCK": (0, height // 2, width, height),
        "UPPER HALF BLOCK": (0, 0, width, height // 2),
        "LEFT HALF BLOCK": (0, 0, width // 2, height),
        "RIGHT HALF BLOCK": (width // 2, 0, width, height),
    }
    if name in blocks:
        x0, y0, x1, y1 = blocks[name]
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=1)
        return image
    shades: dict[str, Callable[[int, int], bool]] = {
        "LIGHT SHADE": lambda x, y: y % 2 == 0 and (x + y) % 4 == 0,
        "MEDIUM SHADE": lambda x, y: (x + y) % 2 == 0,
        "DARK SHADE": lambda x, y: not (y % 2 == 0 and (x + y) % 4 == 0),
    }
    if name in shades:
        draw.point([(x, y) for x in range(width) for y in range(height) if shades[name](x, y)], fill=1)
        return image
    if not name.startswith("BOX DRAWINGS ") or "DASH" in name or "ARC" in name or "DIAGONAL" in name:
        return None
    arms = _arms(name.removeprefix("BOX DRAWINGS "))
    _draw_arms(draw, arms, width, height)
    return image


def _arms(name: str) -> dict[str, str]:
    """Which arms a line character has and how heavy: "DOWN SINGLE AND RIGHT DOUBLE" and "LIGHT DOWN AND RIGHT"."""
    weights = ("LIGHT", "HEAVY", "SINGLE", "DOUBLE")
    arms: dict[str, str] = {}
    leading = ""
    for part in name.split(" AND "):
        words = part.split()
        weight = next((w for w in words if w in weights), leading)
        leading = leading or weight
        for word in words:
            for arm in {"VERTICAL": ("UP", "DOWN"), "HORIZONTAL": ("LEFT", "RIGHT")}.get(word, (word,)):
                if arm in ("UP", "DOWN", "LEFT", "RIGHT"):
                    arms[arm] = "LIGHT" if weight == "SINGLE" else weight
    return arms


def _draw_arms(draw: ImageDraw.ImageDraw, arms: dict[str, str], width: int, height: int) -> None:
    """Double arms are drawn three lines thick and their core is cut out again; single arms come on top."""
    thick = 2 if width > 9 else 1
    cx, cy = width // 2 - thick // 2, height // 2 - thick // 2
    opposite = {"LEFT": "RIGHT", "RIGHT": "LEFT", "UP": "DOWN", "DOWN": "UP"}

    def arm_box(arm: str, reach: int, start: int, dots: int) -> tuple[int, int, int, int]:
        """From the cell's edge to the middle line and ``reach`` dots beyond it."""
        return {
            "LEFT": (0, cy + start, cx + thick - 1 + reach, cy + start + dots - 1),
            "RIGHT": (cx - reach, cy + start, width - 1, cy + start + dots - 1),
            "UP": (cx + start, 0, cx + start + dots - 1, cy + thick - 1 + reach),
            "DOWN": (cx + start, cy - reach, cx + start + dots - 1, height - 1),
        }[arm]

    def doubles_across(arm: str) -> int:
        across = ("UP", "DOWN") if arm in ("LEFT", "RIGHT") else ("LEFT", "RIGHT")
        return sum(arms.get(a) == "DOUBLE" for a in across)

    doubles = [arm for arm, weight in arms.items() if weight == "DOUBLE"]
    for arm in doubles:
        draw.rectangle(arm_box(arm, thick if doubles_across(arm) else 0, -thick, 3 * thick), fill=1)
    for arm in doubles:
        draw.rectangle(arm_box(arm, 0, 0, thick), fill=0)
    for arm, weight in arms.items():
        if weight == "DOUBLE":
            continue
        reach = 0 if opposite[arm] in arms else (0, thick, -thick)[doubles_across(arm)]
        start, dots = (-thick // 2, 2 * thick) if weight == "HEAVY" else (0, thick)
        draw.rectangle(arm_box(arm, reach, start, dots), fill=1)


def _has(font: ImageFont.FreeTypeFont, character: str, missing: bytes) -> bool:
    return character in " \u00a0\u3000" or bytes(font.getmask(character)) != missing


def outline(font: ImageFont.FreeTypeFont, width: int, height: int, baseline: int, darkness: tuple[int, int]) -> Draw:
    """Grey, with the font's own hints, then a threshold: higher for dense characters, so that they stay open."""
    missing = bytes(font.getmask("\U0010fffe"))

    def draw(character: str) -> Image.Image | None:
        if not _has(font, character, missing):
            return None
        grey = Image.new("L", (width, height))
        pen = ImageDraw.Draw(grey)
        offset = (width - font.getlength(character)) / 2
        pen.text((offset if offset > 0 else 0, baseline), character, font=font, fill=255, anchor="ls")
        if offset < -0.6:  # a proportional glyph wider than the cell: squeeze it
            wide = Image.new("L", (round(font.getlength(character)), height))
            ImageDraw.Draw(wide).text((0, baseline), character, font=font, fill=255, anchor="ls")
            grey = wide.resize((width, height), Image.Resampling.LANCZOS)
        ink = sum(i * n for i, n in enumerate(grey.histogram())) / 255 / (width * height)
        sparse, dense = darkness
        threshold = sparse + (dense - sparse) * min(1.0, max(0.0, (ink - 0.18) / 0.2))
        return grey.point([255 if v > threshold else 0 for v in range(256)]).convert("1", dither=Image.Dither.NONE)

    return draw


def almost_equal(double: Draw) -> Draw:
    """U+2252, which neither font has: an equals sign between two dots."""

    def draw(character: str) -> Image.Image | None:
        image = double("＝") if character == "≒" else None
        if image is not None:
            pen = ImageDraw.Draw(image)
            pen.rectangle((3, 3, 5, 5), fill=1)
            pen.rectangle((18, 18, 20, 20), fill=1)
        return image

    return draw


def pack(bank: bytes, characters: Iterable[str], drawers: Iterable[Draw]) -> tuple[list[bytes], list[bytes]]:
    """Directory entries and compressed pages: a 256-bit map of what is there, then the glyphs one after another."""
    pages: dict[int, dict[int, bytes]] = {}
    for character in characters:
        image = next((i for i in (draw(character) for draw in drawers) if i is not None), None)
        if image is not None:
            pages.setdefault(ord(character) >> 8, {})[ord(character) & 0xFF] = image.tobytes()
    entries, blocks = [], []
    for page, glyphs in sorted(pages.items()):
        present = sum(1 << low for low in glyphs).to_bytes(32, "little")
        block = zlib.compress(present + b"".join(glyphs[low] for low in sorted(glyphs)), 9)
        entries.append(ENTRY.pack(bank, 0, page, len(block)))
        blocks.append(block)
    return entries, blocks


def build(cjk: Path, mono: Path) -> bytes:
    """The whole ROM."""

    def chinese(size: int) -> ImageFont.FreeTypeFont:
        for index in range(16):
            font = ImageFont.truetype(str(cjk), size, index=index)
            if font.getname()[0] == "Noto Sans Mono CJK SC":
                return font
        raise SystemExit(f"{cjk}: expected a collection that holds Noto Sans Mono CJK SC")

    single, double = single_byte_characters(), two_byte_characters()
    latin = {size: ImageFont.truetype(str(mono), size) for size in (14.5, 20)}
    kanji = outline(chinese(23), 24, 24, 20, (64, 100))
    # Sizes are chosen so that the advance is the cell's width: Noto Sans Mono advances 0.6 em.
    banks = (
        (
            b"A",
            single,
            (12, 24),
            [outline(latin[20], 12, 24, 19, (92, 92)), outline(chinese(24), 12, 24, 20, (92, 92))],
        ),
        (b"B", single, (9, 17), [outline(latin[14.5], 9, 17, 14, (95, 95)), outline(chinese(17), 9, 17, 14, (95, 95))]),
        (
            b"K",
            double,
            (24, 24),
            [kanji, outline(latin[20], 24, 24, 19, (92, 92)), almost_equal(kanji)],
        ),
    )
    entries: list[bytes] = []
    blocks: list[bytes] = []
    for bank, characters, (width, height), drawers in banks:
        lines: Draw = lambda c, w=width, h=height: box_drawing(c, w, h)  # type: ignore[misc]  # noqa: E731
        some_entries, some_blocks = pack(bank, characters, [lines, *drawers])
        entries += some_entries
        blocks += some_blocks
    return MAGIC + struct.pack("<H", len(entries)) + b"".join(entries) + b"".join(blocks)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the character ROM from outline fonts")
    parser.add_argument("cjk", type=Path, help="NotoSansCJK-Regular.ttc")
    parser.add_argument("mono", type=Path, help="NotoSansMono-Regular.ttf")
    parser.add_argument("rom", type=Path, help="the file to write")
    arguments = parser.parse_args()
    rom = build(arguments.cjk, arguments.mono)
    arguments.rom.write_bytes(rom)
    sys.stdout.write(f"{arguments.rom}: {len(rom)} bytes\n")


if __name__ == "__main__":
    main()
