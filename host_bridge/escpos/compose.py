"""Make print jobs out of text and pictures, and refuse what is none.

Codes of :class:`ComposeError`: ``empty``, ``not_printable``, ``truncated_command``, ``image_invalid`` and
``image_too_large``. The functions compute (an image some 100 ms): call them in a worker thread.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Final

from PIL import Image

from host_bridge.escpos.commands import CommandParser

PAPER_WIDTH_DOTS: Final = 576  # 80 mm paper, 203 dpi
MAX_IMAGE_PIXELS: Final = 16_000_000  # before scaling: 64 MB decoded; a phone's photo has 12 million
MAX_IMAGE_HEIGHT_DOTS: Final = 16_000  # after scaling: two metres of paper
BAND_ROWS: Final = 128  # rows a GS v 0: at most 9 kB, so that the paper moves before the whole picture has come

ACCEPTED: Final = (
    "accepted are ESC/POS commands (application/octet-stream), plain text (text/plain; charset=utf-8) "
    "and PNG (image/png)"
)

_INITIALISE: Final = b"\x1b@"
_END: Final = b"\x1bd\x01\x1dVB\x00"  # a line of space, then feed to the knife and cut all but a point
_ASCII_ONLY: Final = b"\x1c."  # FS . : a printer made for China reads bytes from 80h on as GB18030 otherwise
_WESTERN: Final = b"\x1c.\x1bt\x10"  # ESC t 16: WPC1252
_CHINESE: Final = b"\x1c&"  # FS & : two- and four-byte GB18030

_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

FOREIGN_MAGIC: Final = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\x04%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ\x90\x00", "a program (Windows)"),
    (b"\xca\xfe\xba\xbe", "a program (Java or macOS)"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"\x1b%-12345X", "a PJL job for a page printer"),
    (b"RaS2", "a CUPS raster"),
    (b"RaS3", "a CUPS raster"),
    (b"\xff\xfe", "UTF-16 text"),
)
_MARKUP: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,64}<(?:!doctype\s+html|html[\s>]|head[\s>]|body[\s>]|\?xml\s|svg[\s>]|!--)", re.IGNORECASE
)
_BLOCK_MAGIC: Final = ((b"RIFF", 8, b"WEBP", "a WebP picture"), (b"", 4, b"ftyp", "a video or HEIC picture"))
_MIN_UNKNOWN: Final = 8  # commands no printer knows, before a stream is called noise


class ComposeError(ValueError):
    """What was given can't be printed. ``code`` is stable, the text says what came and what is accepted."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def compose_text(text: str) -> bytes:
    """Print text and cut. GB18030 where the Western code page hasn't all its characters; the printer wraps lines.

    Raises ComposeError ``empty`` or ``not_printable`` (control characters: those belong into an ESC/POS job).
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    if not text.strip():
        raise ComposeError("empty", f"the text has nothing to print; {ACCEPTED}")
    if found := _UNPRINTABLE.search(text):
        code = ord(found.group())
        raise ComposeError(
            "not_printable", f"the text has a control character U+{code:04X} at {found.start()}; {ACCEPTED}"
        )
    body = text.rstrip("\n") + "\n"
    for select, encoding in ((_ASCII_ONLY, "ascii"), (_WESTERN, "cp1252")):
        try:
            return _INITIALISE + select + body.encode(encoding) + _END
        except UnicodeEncodeError:
            continue
    return _INITIALISE + _CHINESE + body.encode("gb18030") + _END


def compose_png(png: bytes) -> bytes:
    """Print a PNG, scaled down to the paper's width where it is wider, dithered, and cut.

    Raises ComposeError ``empty``, ``image_invalid`` or ``image_too_large``.
    """
    if not png:
        raise ComposeError("empty", f"the picture has no bytes; {ACCEPTED}")
    dots = _to_dots(_open_png(png))
    row_bytes = (dots.width + 7) // 8
    job = bytearray(_INITIALISE)
    for top in range(0, dots.height, BAND_ROWS):
        rows = min(BAND_ROWS, dots.height - top)
        band = dots.crop((0, top, dots.width, top + rows))
        job += b"\x1dv0\x00" + row_bytes.to_bytes(2, "little") + rows.to_bytes(2, "little") + band.tobytes()
    return bytes(job + _END)


def check_stream(data: bytes) -> None:
    """Refuse what isn't a stream of whole ESC/POS commands.

    Raises ComposeError ``empty``, ``not_printable`` (another kind of file, noise) or ``truncated_command``.
    """
    if not data.strip(b"\x00"):
        raise ComposeError("empty", f"the job has no bytes to print; {ACCEPTED}")
    if name := foreign_format(data):
        raise ComposeError("not_printable", f"this is {name}, not a receipt; {ACCEPTED}")
    parser = CommandParser()
    commands = parser.feed(data)
    unknown = sum(command.name == "unknown" for command in commands)
    known = sum(command.name not in ("unknown", "text", "NUL") for command in commands)
    if unknown >= _MIN_UNKNOWN and unknown > known:
        raise ComposeError(
            "not_printable", f"{unknown} of {unknown + known} commands are none that a printer knows; {ACCEPTED}"
        )
    if parser.missing_bytes:
        raise ComposeError(
            "truncated_command",
            f"the job ends inside the command {parser.pending_name} that begins at byte {parser.pending_offset}: "
            f"at least {parser.missing_bytes} more bytes were expected, and the next job's would be taken for them; "
            "send the whole job",
        )


def foreign_format(data: bytes) -> str | None:
    """What kind of file this is, when its first bytes say that it is none for a receipt printer."""
    for magic, name in FOREIGN_MAGIC:
        if data.startswith(magic):
            return name
    for start, offset, magic, name in _BLOCK_MAGIC:
        if (
            data.startswith(start)
            and data[offset : offset + len(magic)] == magic
            and (start or data[:2] == b"\x00\x00")
        ):
            return name
    if data.startswith(b"BM") and int.from_bytes(data[2:6], "little") == len(data):
        return "a BMP picture"
    return "a web page or XML document" if _MARKUP.match(data) else None


def _open_png(png: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own, smaller limit is below
            with Image.open(io.BytesIO(png), formats=["PNG"]) as probe:
                _check_size(probe.width, probe.height)
                probe.verify()
            image = Image.open(io.BytesIO(png), formats=["PNG"])
            image.load()
    except ComposeError:
        raise
    except Image.DecompressionBombError as error:
        raise ComposeError("image_too_large", f"{error}; at most {MAX_IMAGE_PIXELS} pixels are accepted") from error
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, OverflowError) as error:
        raise ComposeError("image_invalid", f"this is no whole PNG picture ({error}); {ACCEPTED}") from error
    return image


def _check_size(width: int, height: int) -> None:
    scaled_height = height * min(PAPER_WIDTH_DOTS / width, 1.0)
    if width * height > MAX_IMAGE_PIXELS or scaled_height > MAX_IMAGE_HEIGHT_DOTS:
        raise ComposeError(
            "image_too_large",
            f"the picture has {width} x {height} pixels; accepted are {MAX_IMAGE_PIXELS} pixels, "
            f"and {MAX_IMAGE_HEIGHT_DOTS} rows once scaled to {PAPER_WIDTH_DOTS} dots of width",
        )


def _to_dots(image: Image.Image) -> Image.Image:
    """One bit a dot, 1 = black, no wider than the paper."""
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits a pixel
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif image.mode not in ("L", "RGB") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.width > PAPER_WIDTH_DOTS:
        height = max(1, round(image.height * PAPER_WIDTH_DOTS / image.width))
        image = image.resize((PAPER_WIDTH_DOTS, height), Image.Resampling.LANCZOS)
    if image.mode == "RGBA":
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image)
        image = paper
    return image.convert("L").point(lambda value: 255 - value).convert("1")
