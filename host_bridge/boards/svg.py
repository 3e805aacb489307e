"""Drawing SVG: shapes in, a document out. Numbers are rounded so that the same picture is the same text."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

FONTS = "'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','PingFang SC','DejaVu Sans',Arial,sans-serif"
INK = "#1c2430"
FAINT = "#5b6672"


class Drawing:
    """An SVG picture under construction; lengths are in user units (CSS pixels)."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self._width, self._height = width, height
        self._head = f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>"
        self._shapes: list[str] = []

    def rect(
        self, x: float, y: float, width: float, height: float, *, fill: str = "none", stroke: str = "none",
        radius: float = 0, line: float = 1.5, dash: str = "",
    ) -> None:  # fmt: skip
        """A rectangle; a negative width runs to the left."""
        if width < 0:
            x, width = x + width, -width
        self._add(
            "rect", x=x, y=y, width=width, height=height, rx=radius, fill=fill, stroke=stroke,
            stroke_width=line, stroke_dasharray=dash,
        )  # fmt: skip

    def line(self, *points: tuple[float, float], stroke: str = INK, line: float = 1.5, dash: str = "") -> None:
        path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._add(
            "polyline", points=path, fill="none", stroke=stroke, stroke_width=line, stroke_dasharray=dash,
            stroke_linejoin="round", stroke_linecap="round",
        )  # fmt: skip

    def polygon(self, *points: tuple[float, float], fill: str = INK) -> None:
        self._add("polygon", points=" ".join(f"{number(x)},{number(y)}" for x, y in points), fill=fill)

    def circle(self, x: float, y: float, radius: float, *, fill: str = INK, stroke: str = "none") -> None:
        self._add("circle", cx=x, cy=y, r=radius, fill=fill, stroke=stroke, stroke_width=1.5)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        anchor: str = "start",
        fill: str = INK,
        bold: bool = False,
    ) -> None:
        self._add(
            "text", text, x=x, y=y, font_size=size, text_anchor="" if anchor == "start" else anchor, fill=fill,
            font_weight="bold" if bold else "",
        )  # fmt: skip

    def document(self) -> str:
        size = f'width="{number(self._width)}" height="{number(self._height)}"'
        box = f'viewBox="0 0 {number(self._width)} {number(self._height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} font-family="{FONTS}" role="img">'
        paper = f'<rect width="{number(self._width)}" height="{number(self._height)}" fill="#ffffff"/>'
        return "\n".join((head, self._head, paper, *self._shapes, "</svg>", ""))

    def _add(self, tag: str, content: str = "", **attributes: float | str) -> None:
        given = "".join(
            f" {name.replace('_', '-')}={quoteattr(value if isinstance(value, str) else number(value))}"
            for name, value in attributes.items()
            if value != "" and not (name in ("rx",) and not value)
        )
        self._shapes.append(f"<{tag}{given}>{escape(content)}</{tag}>" if content else f"<{tag}{given}/>")


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
