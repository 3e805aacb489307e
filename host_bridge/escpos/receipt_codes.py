"""Bar codes: GS k and GS ( k. zxing-cpp draws the symbols; here is what ESC/POS says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import zxingcpp
from PIL import Image, ImageChops

from host_bridge.escpos.receipt_images import scaled
from host_bridge.escpos.receipt_paper import PAPER_DOTS

MAX_SYMBOL_BYTES: Final = 7092  # the most that any of the symbols can hold: QR, digits

_F = zxingcpp.BarcodeFormat
_UPC_A, _UPC_E, _EAN13, _EAN8, _CODE39, _ITF, _CODABAR, _CODE93, _CODE128 = range(65, 74)
_GS1_128, _CODE128_AUTO = 74, 79
_FORMATS: Final = {
    _UPC_A: _F.UPCA,
    _UPC_E: _F.UPCE,
    _EAN13: _F.EAN13,
    _EAN8: _F.EAN8,
    _CODE39: _F.Code39,
    _ITF: _F.ITF,
    _CODABAR: _F.Codabar,
    _CODE93: _F.Code93,
    _CODE128: _F.Code128,
    _GS1_128: _F.Code128,
    75: _F.DataBarOmni,
    76: _F.DataBarOmni,
    77: _F.DataBarLtd,
    78: _F.DataBarExp,
    _CODE128_AUTO: _F.Code128,
}
_DIGITS: Final = {_UPC_A: 11, _EAN13: 12, _EAN8: 7, 75: 13, 76: 13, 77: 13}  # without the check digit


@dataclass
class BarcodeSettings:
    """GS h, GS w, GS H, GS f."""

    height: int = 162
    module: int = 3
    hri: int = 0  # bit 0 above, bit 1 below
    hri_font: str = "A"


@dataclass
class SymbolSettings:
    """What GS ( k set for one kind of two-dimensional symbol, and the data it stored."""

    module: int = 3
    row_height: int = 3  # PDF417, modules
    columns: int = 0  # PDF417; 0: chosen by the printer
    level: int = 0  # error correction as the command names it; 0: not set
    data: bytes = b""
    kind: int = 0  # MaxiCode mode, GS1 DataBar type, ...


@dataclass
class Symbols:
    """All of them, by the command's cn."""

    settings: dict[int, SymbolSettings] = field(default_factory=dict)

    def of(self, cn: int) -> SymbolSettings:
        return self.settings.setdefault(cn, SymbolSettings())


def barcode(system: int, data: bytes, settings: BarcodeSettings) -> tuple[Image.Image, str] | None:
    """The bars and the text for people, or None if the data can't be such a code or is too wide for the paper."""
    if system <= 6:
        system += 65
    form = _FORMATS.get(system)
    if form is None or not data:
        return None
    text, shown = _content(system, data)
    if text is None:
        return None
    gs1 = system == _GS1_128 or system == 78
    module = _draw(text, form, gs1=True) if gs1 else _draw(text, form)
    if module is None:
        return None
    image = module.crop((0, module.height // 2, module.width, module.height // 2 + 1))
    image = image.resize((image.width * settings.module, settings.height), Image.Resampling.NEAREST)
    return (image, shown) if image.width <= PAPER_DOTS else None


def _content(system: int, data: bytes) -> tuple[str | None, str]:
    """What to encode, and what people read below it."""
    text = data.decode("latin-1")
    if system in _DIGITS:
        count = _DIGITS[system]
        if not text.isdecimal() or len(text) < count:
            return None, ""
        text = text[:count]
        return text, text + _check_digit(text)
    if system == _UPC_E:
        short = _upc_e(text)
        return short, short or ""
    if system == _ITF:
        return (text[: len(text) // 2 * 2], text) if text.isdecimal() and len(text) >= 2 else (None, "")
    if system == _CODABAR:
        text = text.upper()
        return text, text
    if system == _CODE39:
        text = text.strip("*")
        return text, f"*{text}*"
    if system == _CODE128:
        text = _code128(text)
    if system == _GS1_128:
        text = _code128(text).replace("\x1d", "")
        if not text.startswith("("):
            return None, ""
    return text or None, "".join(c for c in text if c.isprintable())


def _code128(text: str) -> str:
    """Take out {A {B {C (the pairs of set C become digits) and resolve {1 FNC1, {{ and {S."""
    out: list[str] = []
    code_set = "B"
    position = 0
    while position < len(text):
        character = text[position]
        following = text[position + 1 : position + 2]
        if character == "{" and following:
            position += 2
            if following in "ABC":
                code_set = following
            elif following == "1":
                out.append("\x1d")
            elif following == "{":
                out.append("{")
            continue
        position += 1
        if code_set == "C" and ord(character) < 100:
            # In set C a byte is a number from 0 to 99; tills also send the digits themselves.
            digits = text[position - 1 : position + 1]
            if len(digits) == 2 and digits.isdecimal():
                out.append(digits)
                position += 1
            else:
                out.append(f"{ord(character):02d}")
            continue
        out.append(character)
    return "".join(out)


def _upc_e(text: str) -> str | None:
    """Seven digits, system and data, from the 6, 7, 8, 11 or 12 that may be sent."""
    if not text.isdecimal():
        return None
    if len(text) == 6:
        return "0" + text
    if len(text) in (7, 8):
        return text[:7]
    if len(text) not in (11, 12) or text[0] not in "01":
        return None
    maker, item = text[1:6], text[6:11]
    if maker[2] in "012" and maker[3:] == "00" and item[:2] == "00":
        return text[0] + maker[:2] + item[2:] + maker[2]
    if maker[3:] == "00" and item[:3] == "000":
        return text[0] + maker[:3] + item[3:] + "3"
    if maker[4] == "0" and item[:4] == "0000":
        return text[0] + maker[:4] + item[4] + "4"
    if item[:4] == "0000" and item[4] in "56789":
        return text[0] + maker + item[4]
    return None


def _check_digit(digits: str) -> str:
    """GS1 General Specifications 7.9: weights 3 and 1 from the right."""
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


_PDF417, _QR, _MAXICODE, _DATABAR, _COMPOSITE, _AZTEC, _DATAMATRIX = range(48, 55)

_STACKED: Final = {"H": _F.DataBarStk, "I": _F.DataBarStkOmni, "L": _F.DataBarExpStk}  # 72, 73, 76


def configure(symbols: Symbols, cn: int, function: int, parameters: bytes) -> None:
    """GS ( k functions that set or store; unknown ones change nothing."""
    settings = symbols.of(cn) if _PDF417 <= cn <= _DATAMATRIX else None
    if settings is None or not parameters:
        return
    first = parameters[0]
    if function == 80:
        settings.data = parameters[1 : 1 + MAX_SYMBOL_BYTES]
    elif function == 67:
        settings.module = max(1, min(16, first))
    elif cn == _PDF417 and function == 65:
        settings.columns = first if first <= 30 else 0
    elif cn == _PDF417 and function == 68:
        settings.row_height = max(2, min(8, first))
    elif function == 69:
        settings.level = parameters[1] if cn in (_PDF417, _AZTEC) and len(parameters) > 1 else first
    elif function == 65:
        settings.kind = first


def symbol(symbols: Symbols, cn: int) -> Image.Image | None:
    """GS ( k function 81: the stored data as a picture, or None if there is none, it can't be one or is too wide."""
    settings = symbols.of(cn) if _PDF417 <= cn <= _DATAMATRIX else None
    if settings is None or not settings.data:
        return None
    try:
        content: str | bytes = settings.data.decode()
    except UnicodeDecodeError:
        content = settings.data
    if cn == _QR:
        level = {48: "L", 49: "M", 50: "Q", 51: "H"}.get(settings.level, "L")
        image = _draw(content, _F.QRCode, ec_level=level)
        return _fitting(image, settings.module, settings.module)
    if cn == _PDF417:
        return _pdf417(content, settings)
    if cn == _MAXICODE:
        return _fitting(_draw(content, _F.MaxiCode, dots=2), 1, 1)  # its hexagons can't be scaled as squares can
    if cn == _AZTEC:
        return _fitting(_draw(content, _F.Aztec), settings.module, settings.module)
    if cn == _DATAMATRIX:
        return _fitting(_draw(content, _F.DataMatrix), settings.module, settings.module)
    if cn == _DATABAR and isinstance(content, str):
        form = _STACKED.get(content[0], _F.DataBarStk)
        image = _draw(content[1:], form)
        return _fitting(image, settings.module, settings.module)
    return None


def _pdf417(content: str | bytes, settings: SymbolSettings) -> Image.Image | None:
    level = str(settings.level - 48) if 48 <= settings.level <= 56 else ""
    if settings.columns:
        image = _draw(content, _F.PDF417, ec_level=level, columns=settings.columns)
    else:
        image = _draw(content, _F.PDF417, ec_level=level)
    if image is None:
        return None
    rows = image.resize((image.width, image.height // 3), Image.Resampling.NEAREST)  # drawn with rows 3 modules high
    return _fitting(rows, settings.module, settings.module * settings.row_height)


def _fitting(image: Image.Image | None, across: int, down: int) -> Image.Image | None:
    if image is None or image.width * across > PAPER_DOTS:
        return None
    return scaled(image, across, down)


@lru_cache(maxsize=16)
def _draw(
    content: str | bytes, form: zxingcpp.BarcodeFormat, *, dots: int = 1, **arguments: str | int
) -> Image.Image | None:
    """``dots`` a module, 255 is ink; None if the library refuses the content."""
    try:
        made = zxingcpp.create_barcode(content, form, **arguments)
        drawn: Any = made.to_image(scale=dots, add_quiet_zones=False)  # a buffer; its stubs don't say so
    except (ValueError, RuntimeError):
        return None
    pixels = memoryview(drawn)
    height, width = (pixels.shape or (0, 0))[:2]
    return ImageChops.invert(Image.frombytes("L", (width, height), bytes(pixels))).convert("1")
