"""What a technician's hands do next, drawn for the terminal: beside the sentence, never instead of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len

from host_bridge.cli.words import Words
from host_bridge.state import Text

_PLUG_OUT: Final = (
    "    ║║    ",
    "    ▐▌    ",
    "          ",
    "┌──┤  ├──┐",
)
_PLUG_IN: Final = (
    "    ║║    ",
    "    ║║    ",
    "    ▐▌    ",
    "┌──┤▐▌├──┐",
)
_HELD: Final = (
    "│        │    ",
    "│   ◉ ◀━━━━━━ ",
    "└────────┘    ",
)
_FREE: Final = (
    "│        │    ",
    "│   ○    │    ",
    "└────────┘    ",
)
_GAP: Final = "    "

# Each picture: its steps, each with the words above it and the board below them.
BOOTSEL: Final = (
    (Text("1 hold BOOTSEL", "1 按住 BOOTSEL"), _PLUG_OUT + _HELD),
    (Text("2 plug in", "2 插入 USB"), _PLUG_IN + _HELD),
    (Text("3 let go", "3 松开"), _PLUG_IN + _FREE),
)
SAFE_MODE: Final = (
    (Text("1 hold the button", "1 按住按钮"), _PLUG_IN + _HELD),
    (Text("2 pull the plug", "2 拔下 USB"), _PLUG_OUT + _HELD),
    (Text("3 put it back", "3 再插回"), _PLUG_IN + _HELD),
    (Text("4 after 3 s let go", "4 数到三后松开"), _PLUG_IN + _FREE),
)


def draw(steps: tuple[tuple[Text, tuple[str, ...]], ...], words: Words) -> str:
    """The steps side by side; 78 columns at most, also where a character takes two."""
    labels = [words.of(label) for label, _ in steps]
    widths = [
        max(cell_len(label), *(cell_len(line) for line in art)) for label, (_, art) in zip(labels, steps, strict=True)
    ]
    rows = [labels, *zip(*(art for _, art in steps), strict=True)]
    return "\n".join(_row(row, widths) for row in rows)


def _row(cells: Sequence[str], widths: list[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
    return ("  " + _GAP.join(padded)).rstrip()
