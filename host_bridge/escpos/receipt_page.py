"""Page mode: areas that are filled in any of four directions, then printed together."""

from __future__ import annotations

from typing import Final

from PIL import Image

from host_bridge.escpos.receipt_paper import INK, PAPER_DOTS

MAX_PAGE_DOTS: Final = 2400  # 300 mm, more than the printers' own limit

_TURNS: Final = {
    1: Image.Transpose.ROTATE_90,  # from the bottom upwards
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,  # from the top downwards
}


class Page:
    """What was drawn so far, and the area that is being drawn on, seen in its own direction."""

    def __init__(self) -> None:
        self.y = 0
        self._stand: int | None = None
        self._ink = Image.new("1", (PAPER_DOTS, MAX_PAGE_DOTS))
        self._box = (0, 0, PAPER_DOTS, MAX_PAGE_DOTS)
        self._chosen = False
        self._direction = 0
        self._sheet: Image.Image | None = None

    @property
    def width(self) -> int:
        """Of a line in the direction of printing."""
        return self._size()[0]

    def choose_area(self, x: int, y: int, width: int, height: int) -> None:
        """ESC W. An area that isn't on the page changes nothing."""
        if x >= PAPER_DOTS or y >= MAX_PAGE_DOTS or not width or not height:
            return
        self._settle()
        self._box = (x, y, min(PAPER_DOTS, x + width), min(MAX_PAGE_DOTS, y + height))
        self._chosen = True
        self.y = 0

    def choose_direction(self, direction: int) -> None:
        """ESC T: 0 left to right, 1 bottom to top, 2 right to left, 3 top to bottom."""
        self._settle()
        self._direction = direction
        self.y = 0

    def stand_on(self, y: int) -> None:
        """GS $: the next picture's lower edge."""
        self.y = y
        self._stand = y

    def put(self, image: Image.Image) -> None:
        """Draw at the present height; the line's own offsets are in the picture."""
        if self._sheet is None:
            self._sheet = Image.new("1", self._size())
        y = self.y
        if self._stand is not None:
            y = max(0, self._stand - image.height)
            self._stand = None
        self._sheet.paste(INK, (0, y), image)

    def image(self) -> Image.Image | None:
        """The page as far as its areas reach, or its ink where none was chosen; None if it is empty."""
        self._settle()
        ink = self._ink.getbbox()
        bottom = max(self._box[3] if self._chosen else 0, ink[3] if ink else 0)
        return self._ink.crop((0, 0, PAPER_DOTS, bottom)) if bottom else None

    def _size(self) -> tuple[int, int]:
        x0, y0, x1, y1 = self._box
        return (x1 - x0, y1 - y0) if self._direction % 2 == 0 else (y1 - y0, x1 - x0)

    def _settle(self) -> None:
        """Turn what was drawn on the present area and lay it on the page."""
        if self._sheet is not None:
            turn = _TURNS.get(self._direction)
            sheet = self._sheet if turn is None else self._sheet.transpose(turn)
            self._ink.paste(INK, self._box[:2], sheet)
            self._sheet = None
