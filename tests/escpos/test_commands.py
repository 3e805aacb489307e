"""The command parser: the length of every command, and no difference made by how a stream was cut."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_bridge.escpos import commands
from host_bridge.escpos.commands import Command, CommandParser

WHOLE_COMMANDS: list[tuple[str, bytes]] = [
    ("text", b"Total 12.50"),
    ("text", "合计 12.50".encode("gb18030")),
    ("LF", b"\n"),
    ("CR", b"\r"),
    ("HT", b"\t"),
    ("FF", b"\x0c"),
    ("CAN", b"\x18"),
    ("NUL", bytes(30)),
    ("DLE EOT", b"\x10\x04\x01"),
    ("DLE EOT", b"\x10\x04\x07\x01"),
    ("DLE EOT", b"\x10\x04\x08\x03"),
    ("DLE ENQ", b"\x10\x05\x02"),
    ("DLE DC4", b"\x10\x14\x01\x00\x02"),
    ("DLE DC4", b"\x10\x14\x02\x01\x08"),
    ("DLE DC4", b"\x10\x14\x03\x01\x02\x03\x04\x05"),
    ("DLE DC4", b"\x10\x14\x07\x01"),
    ("DLE DC4", b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"),
    ("ESC @", b"\x1b@"),
    ("ESC FF", b"\x1b\x0c"),
    ("ESC SP", b"\x1b \x01"),
    ("ESC !", b"\x1b!\x00"),
    ("ESC $", b"\x1b$\x10\x00"),
    ("ESC &", b"\x1b&\x03AB\x02" + bytes(6) + b"\x01\x1b\x70\x00"),
    ("ESC ( A", b"\x1b(A\x05\x00a\x30\x03\x01\x02"),
    ("ESC *", b"\x1b*\x00\x03\x00\x1bp\x00"),
    ("ESC *", b"\x1b*\x21\x02\x00" + b"\x1bp\x00\x32\x32\x10"),
    ("ESC 2", b"\x1b2"),
    ("ESC 3", b"\x1b3\x18"),
    ("ESC =", b"\x1b=\x01"),
    ("ESC D", b"\x1bD\x08\x10\x18\x00"),
    ("ESC D", b"\x1bD\x00"),
    ("ESC V", b"\x1bV\x01"),
    ("ESC W", b"\x1bW" + bytes(8)),
    ("ESC c 3", b"\x1bc3\x0c"),
    ("ESC c 5", b"\x1bc5\x00"),
    ("ESC i", b"\x1bi"),
    ("ESC m", b"\x1bm"),
    ("ESC p", b"\x1bp\x00\x19\xfa"),
    ("ESC t", b"\x1bt\x10"),
    ("ESC {", b"\x1b{\x00"),
    ("FS &", b"\x1c&"),
    ("FS .", b"\x1c."),
    ("FS ( A", b"\x1c(A\x02\x00\x30\x00"),
    ("FS 2", b"\x1c2\xfe\xa1" + b"\x1b" * 72),
    ("FS S", b"\x1cS\x00\x00"),
    ("FS g 1", b"\x1cg1\x00\x00\x00\x00\x00\x03\x00abc"),
    ("FS g 2", b"\x1cg2\x00\x00\x00\x00\x00\x03\x00"),
    ("FS p", b"\x1cp\x01\x00"),
    ("FS q", b"\x1cq\x02" + b"\x01\x00\x01\x00" + bytes(8) + b"\x02\x00\x01\x00" + b"\x1b" * 16),
    ("GS !", b"\x1d!\x11"),
    ("GS ( k", b"\x1d(k\x04\x001A2\x00"),
    ("GS ( H", b"\x1d(H\x06\x0000abcd"),
    ("GS 8 L", b"\x1d8L\x03\x00\x00\x000p0"),
    ("GS *", b"\x1d*\x02\x01" + b"\x10" * 16),
    ("GS :", b"\x1d:"),
    ("GS ^", b"\x1d^\x01\x01\x00"),
    ("GS C 0", b"\x1dC0\x00\x00"),
    ("GS C 1", b"\x1dC1" + bytes(6)),
    ("GS C ;", b"\x1dC;1;10;1;0;5;"),
    ("GS D", b"\x1dD0C0AA01" + b"BM\x0a\x00\x00\x00" + b"\x1b@\x1b@"),
    ("GS I", b"\x1dI\x43"),
    ("GS Q 0", b"\x1dQ0\x00\x02\x00\x03\x00" + bytes(6)),
    ("GS V", b"\x1dV\x00"),
    ("GS V", b"\x1dV1"),
    ("GS V", b"\x1dVA\x03"),
    ("GS V", b"\x1dVB\x00"),
    ("GS a", b"\x1da\xff"),
    ("GS g 2", b"\x1dg2\x00\x14\x00"),
    ("GS k", b"\x1dk\x04ABC123\x00"),
    ("GS k", b"\x1dkI\x08{B123456"),
    ("GS k", b"\x1dkC\x0c123456789012"),
    ("GS r", b"\x1dr\x01"),
    ("GS v 0", b"\x1dv0\x00\x03\x00\x04\x00" + b"\x10\x04\x01\x1bp\x00\x19\xfa\x10\x14\x01\x00"),
    ("GS z 0", b"\x1dz0\x01\x02"),
    ("unknown", b"\x07"),
    ("unknown", b"\x1b\x01"),
    ("unknown", b"\x1dk\x20"),
    ("unknown", b"\x1dVz"),
]


def joined(found: list[Command]) -> list[Command]:
    """Runs of text and NUL come as far as they have arrived: put neighbours together to compare."""
    result: list[Command] = []
    for command in found:
        if result and command.name == result[-1].name and command.name in ("text", "NUL"):
            command = Command(command.name, result[-1].data + command.data, result.pop().offset)
        result.append(command)
    return result


@pytest.mark.parametrize(("name", "data"), WHOLE_COMMANDS, ids=lambda value: value[:16] if value else value)
def test_each_command_has_the_length_of_the_manual(name: str, data: bytes) -> None:
    assert CommandParser().feed(data + b"\x1b@") == [Command(name, data, 0), Command("ESC @", b"\x1b@", len(data))]


@pytest.mark.parametrize(("name", "data"), WHOLE_COMMANDS, ids=lambda value: value[:16] if value else value)
def test_a_command_is_given_out_with_its_last_byte_and_not_before(name: str, data: bytes) -> None:
    parser = CommandParser()
    got: list[Command] = []
    for index in range(len(data)):
        assert parser.missing_bytes <= len(data) - index, "never wants more than the command has"
        got += parser.feed(data[index : index + 1])
    assert joined(got) == [Command(name, data, 0)]
    assert (parser.missing_bytes, parser.pending, parser.pending_name) == (0, b"", None)


def test_the_command_under_way_is_named_with_its_place_and_what_it_lacks() -> None:
    parser = CommandParser()
    parser.feed(b"hi\n\x1dv0\x00\x02\x00\x05\x00abc")
    assert parser.pending_name == "GS v 0"
    assert parser.pending_offset == 3
    assert parser.missing_bytes == 7
    assert parser.pending == b"\x1dv0\x00\x02\x00\x05\x00abc"


def test_a_stray_introducer_does_not_hide_the_command_after_it() -> None:
    assert [c.name for c in CommandParser().feed(b"\x1b\x1b@\x1d\x10\x04\x01")] == [
        "unknown",
        "ESC @",
        "unknown",
        "DLE EOT",
    ]


@pytest.mark.parametrize("header", [b"\x1dk\x04", b"\x1bD", b"\x1dC;"])
def test_a_terminator_that_never_comes_does_not_swallow_the_stream(header: bytes) -> None:
    parser = CommandParser()
    parser.feed(header + b"\x31" * 400)
    assert parser.missing_bytes == 0


def test_a_command_longer_than_any_job_is_held_to_the_limit_then_given_out_as_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "MAX_COMMAND_BYTES", 1000)
    parser = CommandParser()
    header = b"\x1d8L\xff\xff\xff\xff"
    assert parser.feed(header + b"\x1bp\x00\x19\xfa" * 100) == []
    assert parser.missing_bytes == 0xFFFFFFFF - 500
    got = parser.feed(b"\x00" * (1000 - 507) + b"\x1b@")
    assert [(c.name, len(c.data)) for c in got] == [("unknown", 1000), ("ESC @", 2)]
    assert parser.missing_bytes == 0


def test_a_big_raster_in_small_pieces_is_parsed_at_the_speed_of_copying() -> None:
    raster = b"\x1dv0\x00\x48\x00\x00\xf0" + bytes(0x48 * 0xF000)
    parser = CommandParser()
    started = time.process_time()
    got: list[Command] = []
    for index in range(0, len(raster), 64):
        got += parser.feed(raster[index : index + 64])
    assert [c.name for c in got] == ["GS v 0"]
    assert time.process_time() - started < 2.0, "4.4 MB in 64-byte pieces must not be copied once a piece"


streams = st.lists(
    st.one_of(st.sampled_from([data for _, data in WHOLE_COMMANDS]), st.binary(max_size=12)), max_size=12
).map(b"".join)


@settings(deadline=None)
@given(stream=streams, cuts=st.lists(st.integers(min_value=0, max_value=200), max_size=12))
def test_how_a_stream_is_cut_never_changes_the_commands(stream: bytes, cuts: list[int]) -> None:
    whole_parser = CommandParser()
    whole = whole_parser.feed(stream)
    parser = CommandParser()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces: list[Command] = []
    for begin, end in pairwise(edges):
        pieces += parser.feed(stream[begin:end])
    assert joined(pieces) == joined(whole)
    assert parser.pending == whole_parser.pending
    assert parser.missing_bytes == whole_parser.missing_bytes
    assert parser.pending_name == whole_parser.pending_name


@settings(deadline=None)
@given(stream=streams)
def test_nothing_is_lost_and_nothing_is_added(stream: bytes) -> None:
    parser = CommandParser()
    got = parser.feed(stream)
    assert b"".join(command.data for command in got) + parser.pending == stream
    position = 0
    for command in got:
        assert command.offset == position
        position += len(command.data)
    assert (parser.missing_bytes == 0) == (parser.pending == b"")
