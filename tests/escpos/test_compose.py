"""Jobs made from text and pictures, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from host_bridge.escpos import compose
from host_bridge.escpos.commands import CommandParser
from host_bridge.escpos.compose import ComposeError, check_stream, compose_png, compose_text


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def rasters(job: bytes) -> list[bytes]:
    return [command.data for command in CommandParser().feed(job) if command.name == "GS v 0"]


def refused(code: str, data: bytes) -> str:
    with pytest.raises(ComposeError) as error:
        check_stream(data)
    assert error.value.code == code
    return str(error.value)


def test_plain_text_is_printed_as_it_is_and_cut() -> None:
    job = compose_text("Total 12.50\r\nThank you")
    assert b"Total 12.50\nThank you\n" in job
    assert job.startswith(b"\x1b@")
    assert job.endswith(b"\x1dVB\x00")
    check_stream(job)


def test_western_letters_use_the_western_code_page_and_switch_chinese_off() -> None:
    job = compose_text("Café 3 €")
    assert "Café 3 €".encode("cp1252") in job
    assert b"\x1bt\x10" in job and b"\x1c." in job


def test_chinese_uses_gb18030() -> None:
    job = compose_text("合计 ¥12.50 㐀")
    assert "合计 ¥12.50 㐀".encode("gb18030") in job
    assert b"\x1c&" in job
    check_stream(job)


@pytest.mark.parametrize("text", ["", "  \n", "\ufeff"])
def test_text_with_nothing_to_print_is_refused(text: str) -> None:
    with pytest.raises(ComposeError) as error:
        compose_text(text)
    assert error.value.code == "empty"


@pytest.mark.parametrize("text", ["a\x1bp\x00\x19\xfa", "a\x00b", "\ud800", "a\x10\x04\x01"])
def test_text_cannot_smuggle_commands(text: str) -> None:
    with pytest.raises(ComposeError, match="octet-stream") as error:
        compose_text(text)
    assert error.value.code == "not_printable"


@given(st.text(max_size=60))
def test_any_text_is_refused_or_becomes_whole_commands(text: str) -> None:
    try:
        job = compose_text(text)
    except ComposeError:
        return
    check_stream(job)
    names = {command.name for command in CommandParser().feed(job)}
    assert names <= {"ESC @", "FS .", "FS &", "ESC t", "text", "LF", "HT", "ESC d", "GS V"}


def test_black_is_printed_and_white_is_not() -> None:
    image = Image.new("L", (16, 2), 255)
    image.paste(0, (0, 0, 8, 1))
    assert rasters(compose_png(png(image))) == [b"\x1dv0\x00\x02\x00\x02\x00" + b"\xff\x00\x00\x00"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_keeps_its_light_and_dark(mode: str) -> None:
    image = Image.new("L", (32, 8), 255)
    image.paste(0, (0, 0, 16, 8))
    converted = image.point(lambda v: v * 257, "I").convert("I;16") if mode == "I;16" else image.convert(mode)
    (raster,) = rasters(compose_png(png(converted)))
    assert raster[8:] == b"\xff\xff\x00\x00" * 8


def test_transparent_is_paper() -> None:
    assert set(rasters(compose_png(png(Image.new("RGBA", (64, 4), (0, 0, 0, 0)))))[0][8:]) == {0}
    palette = Image.new("P", (64, 4), 0)
    palette.putpalette([0, 0, 0])
    out = io.BytesIO()
    palette.save(out, "PNG", transparency=0)
    assert set(rasters(compose_png(out.getvalue()))[0][8:]) == {0}


def test_a_wide_picture_is_scaled_to_the_paper_and_sent_in_bands() -> None:
    found = rasters(compose_png(png(Image.new("RGB", (1152, 600), "grey"))))
    assert all(raster[4:6] == b"\x48\x00" for raster in found)
    heights = [int.from_bytes(raster[6:8], "little") for raster in found]
    assert sum(heights) == 300
    assert max(heights) <= compose.BAND_ROWS
    dark = sum(byte.bit_count() for raster in found for byte in raster[8:]) / (576 * 300)
    assert 0.4 < dark < 0.6, "dithered"


def test_a_narrow_picture_is_not_blown_up() -> None:
    (raster,) = rasters(compose_png(png(Image.new("1", (10, 3), 0))))
    assert raster[4:8] == b"\x02\x00\x03\x00"


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (1, 20_000), (8000, 4000)])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(ComposeError, match="accepted") as error:
        compose_png(png_claiming(*size))
    assert error.value.code == "image_too_large"


@pytest.mark.parametrize("size", [(64, 500), (0, 0)])
def test_a_picture_with_missing_rows_or_none_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ComposeError) as error:
        compose_png(png_claiming(*size))
    assert error.value.code == "image_invalid"


WHOLE_PNG = png(Image.effect_noise((64, 64), 90))


@given(st.integers(min_value=0, max_value=len(WHOLE_PNG) - 13))
def test_a_torn_png_is_refused(length: int) -> None:
    with pytest.raises(ComposeError) as error:
        compose_png(WHOLE_PNG[:length])
    assert error.value.code in ("image_invalid", "empty")


@given(st.integers(min_value=0, max_value=len(WHOLE_PNG) - 1), st.integers(min_value=1, max_value=255))
def test_a_damaged_png_is_refused_or_printed_but_never_crashes(index: int, flip: int) -> None:
    damaged = bytearray(WHOLE_PNG)
    damaged[index] ^= flip
    try:
        check_stream(compose_png(bytes(damaged)))
    except ComposeError as error:
        assert error.code in ("image_invalid", "image_too_large")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0\n", "PostScript"),
        (b"PK\x03\x04....", "Office"),
        (b"\x7fELF\x02\x01\x01", "ELF"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG"),
        (b"GIF89a...", "GIF"),
        (WHOLE_PNG, "PNG"),
        (b"\n <!DOCTYPE html><html>", "web page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "XML"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "WebP"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"BM\x0a\x00\x00\x00....", "BMP"),
        (b"\x1b%-12345X@PJL\r\n", "PJL"),
        (bytes(range(1, 16)) * 20, "commands are none"),
    ],
)
def test_another_kind_of_file_is_refused_by_name_with_what_is_accepted(data: bytes, named: str) -> None:
    detail = refused("not_printable", data)
    assert named in detail
    assert "ESC/POS" in detail and "image/png" in detail


@pytest.mark.parametrize("text", [b"BM 12\n", b"MZ GmbH\n", b"Riffle\n", b"<< SALE >>\n", b"PK 12\n", b"100%\n"])
def test_text_that_only_begins_like_a_file_is_printed(text: bytes) -> None:
    check_stream(text)


def test_a_stream_that_ends_inside_a_command_is_refused_with_its_name_place_and_lack() -> None:
    detail = refused("truncated_command", b"hello\n\x1dv0\x00\x02\x00\x05\x00abc")
    assert "GS v 0" in detail and "byte 6" in detail and "7 more" in detail


@pytest.mark.parametrize("data", [b"", b"\x00\x00"])
def test_nothing_is_refused(data: bytes) -> None:
    refused("empty", data)


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused_with_a_sentence(data: bytes) -> None:
    try:
        check_stream(data)
    except ComposeError as error:
        assert error.code in ("empty", "not_printable", "truncated_command")
        assert len(str(error)) > 20
