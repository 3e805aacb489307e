"""Draws the documents that are made from tables: docs/wiring/*.svg, docs/led-card.*.svg, docs/faults.md.

    .venv/bin/python -m tools.draw_docs

The tests compare each with what this would draw now.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from host_bridge.boards import files, picture, wiring
from host_bridge.boards.svg import FAINT, Drawing
from host_bridge.state import Text
from host_bridge.watch.texts import FAULT_TEXTS, PATTERN_TEXTS
from hublink.fault_table import FAULTS, NOTICE, NUMBER_OF
from hublink.light import AMBER, OFF, PATTERN_FAULT, steps
from hublink.words import PATTERNS

DOCS: Final = Path(__file__).parents[1] / "docs"
Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")

WIDTH: Final = 1120
_MARGIN: Final = 36
_LAMP: Final = (_MARGIN + 8, 300)  # where the strip of light begins and ends
_BLINKS: Final = 345
_TITLE: Final = 385
_REMEDY: Final = 690
_SHOWN_MS: Final = 4200  # the longest pattern, once
_LINE: Final = 21

# A fault's number tells whom it concerns: hublink/fault_table.py.
_CLERK, _TECHNICIAN, _BRIDGE, _LINK = range(1, 20), range(20, 40), range(40, 60), range(60, 80)
_HEADING = Text("What the light says", "指示灯含义")
_SUBTITLE = Text(
    "Count the flashes between two pauses. Red: something stopped. Amber over green: go on selling, but see to it.",
    "数两次停顿之间的闪烁次数。红色：有设备停止工作；绿底黄闪：可继续收银，但请尽快处理。",
)
_ONE_COLOUR = Text(
    "The thin strip is a light of one colour: steady is good, flashes are a fault, short gaps are a warning.",
    "细条表示单色指示灯：常亮为正常，闪烁为故障，常亮中的短暂熄灭为警告。",
)
_SECTIONS = {
    "normal": Text("The hub itself", "集线盒状态"),
    "clerk": Text("You can mend this", "店员可处理"),
    "technician": Text("Call the technician", "请联系技术人员"),
}
_COLUMNS = (Text("light", "灯光"), Text("count", "次数"), Text("what it is", "含义"), Text("what to do", "处理方法"))
_BLIP = Text("One short flash: a scan was read, or a receipt begins.", "短闪一次：已读取条码，或开始打印小票。")
# What to do about a state of the hub, where the fault table says it.
_PATTERN_REMEDIES = {"waiting": "hub_silent", "off": "port_missing"}
_SEVERITY = {"error": Text("error", "故障"), "warning": Text("warning", "警告"), "notice": Text("notice", "提示")}


class Row(NamedTuple):
    """One line of the card."""

    pattern: int
    fault: int
    blinks: str  # "" where there is nothing to count
    title: str
    remedy: str


def led_card(language: Language) -> str:
    """The card that hangs beside the till, as SVG."""
    sections = [(_SECTIONS["normal"], list(_patterns(language)))]
    for key, numbers in (("clerk", _CLERK), ("technician", (*_TECHNICIAN, *_BRIDGE))):
        sections.append((_SECTIONS[key], list(_faults(language, numbers))))
    height = 160 + sum(58 + sum(_height(row) for row in rows) for _, rows in sections) + 10
    d = Drawing(WIDTH, height, _of(_HEADING, language), _of(_SUBTITLE, language))
    d.text(_MARGIN, 58, f"Counterhub · {_of(_HEADING, language)}", size=30, bold=True)
    d.text(_MARGIN, 92, _of(_SUBTITLE, language), size=15, fill=FAINT)
    d.text(_MARGIN, 116, _of(_ONE_COLOUR, language), size=15, fill=FAINT)
    d.text(_MARGIN, 140, _of(_BLIP, language), size=15, fill=FAINT)
    y = 160.0
    for heading, rows in sections:
        y = _section(d, y, _of(heading, language), rows, language)
    return d.document()


def faults_table() -> str:
    """docs/faults.md: every fault with its light, cause and remedy, in both languages."""
    lines = [
        "# Faults / 故障",
        "",
        "Made by `python -m tools.draw_docs` from `firmware/hublink/fault_table.py` and `host_bridge/watch/texts.py`.",
        "",
        "**Blinks**: how often the light flashes between two pauses; red for an error, amber over green for a warning",
        "or notice. A light of one colour flashes for an error and shows dark gaps for a warning or notice. What",
        "can only be known without a link (numbers from 60 on) is not sent to the hub: there the light blinks slowly,",
        "blue, because the hub waits for the till.",
        "",
        "**闪烁次数**：两次停顿之间的闪烁次数；故障为红色，警告和提示为绿底黄闪。",
        "单色指示灯以闪烁表示故障，以常亮中的短暂熄灭表示警告或提示。",
        "链路中断时才有的故障（编号 60 起）不会发给集线盒：此时集线盒等待收银机，蓝灯慢闪。",
        "",
        "| number | code | device | severity | blinks | what it is, why, what to do | 含义、原因、处理方法 |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, code, device, severity, blinks in FAULTS:
        text = FAULT_TEXTS[code]
        english = f"**{text.title.en}.** {text.cause.en} *{text.remedy.en}*"
        chinese = f"**{text.title.zh}。**{text.cause.zh}*{text.remedy.zh}*"
        level = f"{severity} {_SEVERITY[severity].zh}"
        shown = str(blinks)
        if number in _LINK:  # a notice comes while the link is up, and asks nobody to count
            shown = "not shown 不显示" if severity == NOTICE else "slow blue 蓝灯慢闪"
        lines.append(f"| {number} | `{code}` | {device} | {level} | {shown} | {english} | {chinese} |")
    return "\n".join(lines) + "\n"


def documents() -> Iterator[tuple[Path, str]]:
    """Every document that is drawn, and its text."""
    for name in files.shipped():
        board = files.parse(files.read(name).text)
        if board.port:
            yield DOCS / "wiring" / f"{name}.svg", picture.draw(wiring.plan(board), board.title)
    for language in LANGUAGES:
        yield DOCS / f"led-card.{language}.svg", led_card(language)
    yield DOCS / "faults.md", faults_table()


def _of(text: Text, language: Language) -> str:
    return text.zh if language == "zh" else text.en


def _patterns(language: Language) -> Iterator[Row]:
    """The states of the hub without a fault; the sentence before the colon is the light, after it the meaning."""
    for name in ("ready", "waiting", "starting", "off", "safe_mode"):
        light, _, meaning = _of(PATTERN_TEXTS[name], language).replace("：", ":").partition(":")
        meaning = meaning.strip()
        remedy = _of(FAULT_TEXTS[_PATTERN_REMEDIES[name]].remedy, language) if name in _PATTERN_REMEDIES else ""
        sentences = [meaning[:1].upper() + meaning[1:], remedy]
        yield Row(PATTERNS.index(name), 0, "", light, ("" if language == "zh" else " ").join(sentences).strip())


# safe_mode has a pattern of its own; a device that is left out is told by the till, and shows as board_file; a backup
# that leads elsewhere shows as one that does not work.
SHOWN_OTHERWISE = ("safe_mode", "printer_left_out", "scanner_left_out", "drawer_left_out", "backup_other_hub")


def _faults(language: Language, numbers: range | tuple[int, ...]) -> Iterator[Row]:
    for number, code, _, _, blinks in FAULTS:
        if number in numbers and code not in SHOWN_OTHERWISE:
            text = FAULT_TEXTS[code]
            yield Row(
                PATTERN_FAULT, NUMBER_OF[code], str(blinks), _of(text.title, language), _of(text.remedy, language)
            )


def _section(d: Drawing, y: float, heading: str, rows: list[Row], language: Language) -> float:
    d.rect(_MARGIN, y, WIDTH - 2 * _MARGIN, 28, fill="#20303c", radius=5)
    d.text(_MARGIN + 12, y + 20, heading, size=16, fill="#fff", bold=True)
    for column, x in zip(_COLUMNS[1:], (_BLINKS, _TITLE, _REMEDY), strict=True):
        d.text(
            x, y + 19, _of(column, language), size=12.5, anchor="middle" if x == _BLINKS else "start", fill="#c7d3dc"
        )
    y += 36
    for row in rows:
        height = _height(row)
        _row(d, y, row)
        y += height
        d.line((_MARGIN, y - 4), (WIDTH - _MARGIN, y - 4), stroke="#dde3e8", line=1)
    return y + 22


def _row(d: Drawing, y: float, row: Row) -> None:
    _strip(d, y + 8, 20, row, one_colour=False)
    _strip(d, y + 32, 7, row, one_colour=True)
    if row.blinks:
        d.text(_BLINKS, y + 34, row.blinks, size=27, anchor="middle", bold=True)
    for place, line in enumerate(_wrap(row.title, _REMEDY - _TITLE - 20, 15.5)):
        d.text(_TITLE, y + 24 + place * _LINE, line, size=15.5, bold=True)
    for place, line in enumerate(_wrap(row.remedy, WIDTH - _MARGIN - _REMEDY, 14.5)):
        d.text(_REMEDY, y + 24 + place * _LINE, line, size=14.5)


def _strip(d: Drawing, y: float, height: float, row: Row, *, one_colour: bool) -> None:
    """The light over time, as long as the longest pattern takes."""
    x0, x1 = _LAMP
    d.rect(x0 - 4, y - 3, x1 - x0 + 8, height + 6, fill="#11161a", radius=4)
    for at, end, colour in _shown(row, one_colour=one_colour):
        if colour != OFF:
            left, right = (x0 + (x1 - x0) * moment / _SHOWN_MS for moment in (at, end))
            d.rect(left, y, right - left, height, fill=_SHADES.get(colour, f"#{colour:06x}"))


def _shown(row: Row, *, one_colour: bool) -> list[tuple[int, int, int]]:
    """(from, to, colour) of the pattern, repeated until the strip is full; equal neighbours are one."""
    spans: list[tuple[int, int, int]] = []
    at = 0
    while at < _SHOWN_MS:
        for colour, span_ms in steps(row.pattern, row.fault):
            end = min(at + span_ms, _SHOWN_MS)
            shade = _one_colour(colour) if one_colour else colour
            if spans and spans[-1][2] == shade:
                spans[-1] = (spans[-1][0], end, shade)
            elif end > at:
                spans.append((at, end, shade))
            at = end
    return spans


_SHADES: Final = {
    0x00FF00: "#27c24c",
    0x0000FF: "#3d7bff",
    0xFF0000: "#ff3b30",
    0xFF8000: "#ffb020",
    0x8000FF: "#a45cff",
}
_ONE_COLOUR_LIT: Final = 0xFFF3C4


def _one_colour(colour: int) -> int:
    """As hub/pin_lights.py's MonoLight shows it."""
    return OFF if colour in (OFF, AMBER) else _ONE_COLOUR_LIT


def _height(row: Row) -> float:
    lines = max(
        len(_wrap(row.title, _REMEDY - _TITLE - 20, 15.5)), len(_wrap(row.remedy, WIDTH - _MARGIN - _REMEDY, 14.5))
    )
    return max(54, 20 + lines * _LINE)


def _wrap(text: str, width: float, size: float) -> list[str]:
    """Lines that fit. A Chinese letter is as broad as it is high, others about half of that."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line and _breadth(line + piece.rstrip(), size) > width and piece[0] not in "，。；：、！？”）":
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()] if line.strip() else lines


def _pieces(text: str) -> list[str]:
    """Where a line may break: after a space, and beside every wide letter."""
    pieces: list[str] = []
    word = ""
    for letter in text:
        if unicodedata.east_asian_width(letter) in "WF":
            pieces += [word, letter] if word else [letter]
            word = ""
        else:
            word += letter
            if letter == " ":
                pieces.append(word)
                word = ""
    return [*pieces, word] if word else pieces


def _breadth(text: str, size: float) -> float:
    return sum(size if unicodedata.east_asian_width(letter) in "WF" else size * 0.51 for letter in text)


def main() -> None:
    for path, text in documents():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
