"""What is fuzzed: each target takes any bytes and raises if a promise breaks."""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from host_bridge import config
from host_bridge.boards import check as board_check
from host_bridge.boards import files as board_files
from host_bridge.escpos import compose
from host_bridge.escpos.commands import Command, CommandParser
from host_bridge.escpos.receipt import MAX_PIECES, render_receipts
from host_bridge.escpos.status import AnswerParser
from host_bridge.toml_document import ConfigError
from hublink import hello, messages
from hublink.frame import PAYLOAD_BYTES_OFFERED, FrameReader, FrameWriter
from tests.fuzz.sessions import http_session, raw_session

RUNS = ("text", "NUL")  # given out as far as they have come, so that cutting the stream cuts them
ANSWER_BYTES_MAX = 1024
REMEMBERED_BYTES_MAX = 1024  # of a frame, by its reader
PICTURE_INPUT_BYTES = 4096  # an input that draws for minutes teaches nothing


class Target(NamedTuple):
    """`words` are pieces that mean something to it, for the mutator."""

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...]
    input_bytes_max: int = 4096


# -- ESC/POS -----------------------------------------------------------------------------------------------------------


def commands(data: bytes) -> None:
    """However a stream is cut, the same commands come, and no byte is lost."""
    whole = CommandParser()
    found = whole.feed(data)
    assert b"".join(command.data for command in found) + whole.pending == data
    assert whole.pending_bytes == len(whole.pending) and (whole.missing_bytes > 0) == bool(whole.pending)
    cut = CommandParser()
    pieces = [command for piece in cuts(data) for command in cut.feed(piece)]
    assert _joined(pieces) == _joined(found)
    assert cut.pending == whole.pending


def _joined(found: list[Command]) -> list[tuple[str, bytes]]:
    joined: list[tuple[str, bytes]] = []
    for command in found:
        if joined and command.name in RUNS and joined[-1][0] == command.name:
            joined[-1] = (command.name, joined[-1][1] + command.data)
        else:
            joined.append((command.name, command.data))
    return joined


def receipt(data: bytes) -> None:
    """Any job can be drawn, and what till software may ask about it can be answered."""
    pictures = render_receipts(data[:PICTURE_INPUT_BYTES])
    assert len(pictures) <= MAX_PIECES
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    compose.foreign_format(data)


def answers(data: bytes) -> None:
    """A printer may answer anything, in any pieces."""
    parser = AnswerParser()
    count = 0
    for piece in cuts(data):
        count += sum(len(answer.data) for answer in parser.feed(piece))
        assert len(parser.pending) <= ANSWER_BYTES_MAX
    assert count + len(parser.pending) <= len(data)


# -- the link ----------------------------------------------------------------------------------------------------------

_AFTERWARDS = {from_hub: FrameWriter(from_hub).frame(3, 0, 7, 1, 2, b"") for from_hub in (True, False)}


def frames(data: bytes) -> None:
    """Nothing grows, and a reader is back in step within one frame; what a frame carries is read or refused."""
    heard: list[int] = []

    def on_frame(kind: int, code: int, session: int, sequence: int, ack: int, payload: memoryview) -> None:
        heard.append(kind)
        hello.unpack_hello(payload)
        hello.unpack_open(payload)
        for message in (messages.BY_CODE.get(code), *messages.BY_CODE.values()):
            if message is not None:
                message.unpack(payload)

    for from_hub, afterwards in _AFTERWARDS.items():
        reader = FrameReader(from_hub, on_frame, lambda text: None, lambda name: None)
        for piece in cuts(data):
            reader.feed(piece, len(piece))
            assert reader._filled <= REMEMBERED_BYTES_MAX
        reader.feed(b"\x7e", 1)  # the input may end as a frame that lacks this alone
        heard.clear()
        reader.feed(afterwards, len(afterwards))
        assert heard == [3], "a whole frame was not heard"
    on_frame(0, 0x20, 0, 0, 0, memoryview(data[:PAYLOAD_BYTES_OFFERED]))


# -- files -------------------------------------------------------------------------------------------------------------

_FOLDER = tempfile.TemporaryDirectory(prefix="counterhub-fuzz-")  # removed when the program ends


def configuration(data: bytes) -> None:
    """A configuration is taken, or refused with file, key and reason."""
    path = Path(_FOLDER.name) / "counterhub.toml"
    path.write_bytes(data)
    try:
        config.load(path)
    except ConfigError as error:
        assert str(path) in str(error)


def board(data: bytes) -> None:
    """A board file is taken, or refused; one without an error can be laid on a hub."""
    path = Path(_FOLDER.name) / "board.toml"
    path.write_bytes(data)
    try:
        file = board_files.read(str(path))
    except ValueError as error:
        assert str(path) in str(error)
        return
    found, findings = board_check.check(file)
    if found is None:
        assert findings
    else:
        msgspec.json.encode(board_files.board_file(file.text))


# -- making inputs -----------------------------------------------------------------------------------------------------


def cuts(data: bytes) -> list[bytes]:
    """The input in pieces, the same ones each time."""
    chance = random.Random(len(data))
    pieces = []
    while data:
        size = chance.choice((1, 2, 3, 7, 64, 1000))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def _escpos_seeds() -> list[bytes]:
    return [
        b"\x1b@Jasmine tea  2.50\n\x1d!\x11TOTAL\n\x1dV\x42\x00",
        b"\x1b@\x1ba\x01\x1dh\x50\x1dk\x49\x0c{BCODE-000017\x0a\x1dV\x00",
        b"\x1dv0\x00\x02\x00\x03\x00abcdef\n\x1bd\x03\x1dV\x01",
        b"\x1b*\x21\x04\x00" + bytes(12) + b"\n\x1b3\x18\x1b2\x1c&\xb2\xe8\xd2\xb6\x1c.\n\x1di",
        b"\x1d(k\x04\x001A2\x00\x1d(k\x03\x001C\x03\x1d(k\x08\x001P0hello\x1d(k\x03\x001Q0",
        b"\x1d(L\x0e\x000p0\x01\x011\x10\x00\x01\x00\xff\x00\x1d(L\x02\x0002",
        b"\x1bL\x1bW\x00\x00\x00\x00\x40\x01\x40\x01\x1bT\x01page\n\x0c\x1bS",
        b"\x10\x04\x01\x10\x14\x01\x00\x01\x1bp\x00\x19\xfa\x1da\xff\x1dr\x01\x1d(H\x06\x0000abcd",
        b"\x1b%\x01\x1b&\x03AB\x02\x00\x00\x00\xff\xff\xff\x02\x01\x02\x03\x04\x05\x06AB\n\x1bt\x10\x80\x90\n",
        b"\x1d*\x01\x01" + bytes(8) + b"\x1d/\x00\x1cq\x01\x01\x00\x01\x00" + bytes(8) + b"\x1cp\x01\x00",
    ]


_ESCPOS_WORDS = (
    *(
        bytes((first, second))
        for first in (0x1B, 0x1D, 0x1C, 0x10)
        for second in b"@!a*dVkhwHvLWTSpKJtR&%?{}(/qgrIX\x04"
    ),
    *(b"\x1d(k", b"\x1d(L", b"\x1d8L", b"\x1dv0\x00", b"\x1b*\x21", b"\n", b"\x0c", b"\0\0", b"\xff\xff", b"\x00\x40"),
)


def _link_seeds() -> list[bytes]:
    short = [b"", bytes(240), b"\x7e" * 200, b"\x7e\0" * 60, b"Traceback"]
    long = [bytes(748), b"\x7e" * 748, b"\x7e\0" * 374, b"tea\n" * 150]  # a bridge's alone
    seeds = [b"Traceback (most recent call last):\r\n  File\r\n>>> "]
    for from_hub, payloads in ((True, short), (False, short + long)):
        writer = FrameWriter(from_hub)
        seeds += [writer.frame(kind % 8, 0x20 + kind, 7, kind, 2, payload) for kind, payload in enumerate(payloads)]
    return seeds


def _config_seeds() -> list[bytes]:
    return [
        b"[hub]\nport = 'auto'\nbaud_rate = 115200\n[http]\nlisten = '127.0.0.1:9180'\n[raw]\nenabled = true\n",
        b"[hubs.one]\nid = 'e6605838'\n[hubs.two]\nport = '/dev/ttyUSB1'\nraw = '127.0.0.1:9101'\n",
        b"[journal]\nmax_age_days = 30\nmax_bytes = 536870912\n[printer]\nconfirm = 'auto'\n[log]\nlevel = 'info'\n",
    ]


def _board_seeds() -> list[bytes]:
    return [board_files.read(name).text.encode() for name in board_files.shipped()]


_TOML_WORDS = (
    *(
        b"[",
        b"]",
        b"[[",
        b"]]",
        b"=",
        b"'",
        b'"',
        b"'''",
        b'"""',
        b"{",
        b"}",
        b".",
        b"\n",
        b"#",
        b"-1",
        b"1e400",
        b"nan",
    ),
    *(b"hub", b"hubs", b"port", b"printer", b"scanner", b"drawer", b"uart", b"link", b"pin", b"true", b"[]", b"{}"),
    *(b"99999999999999999999", b"1979-05-27T07:32:00Z", b"\xff", b"\\u0000", b"kick", b"indicator", b"kind"),
)


def _request(line: bytes, body: bytes = b"", *more: bytes) -> bytes:
    head = b"\r\n".join((line + b" HTTP/1.1", b"Host: 127.0.0.1:9180", *more))
    return head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


_UPGRADE = (
    b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:9180\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def _http_seeds() -> list[bytes]:
    json = b"Content-Type: application/json"
    text = b'{"type":"ack","sequence":1}'
    return [
        _request(b"GET /api/v1/state") + _request(b"GET /api/v1/jobs?limit=5"),
        _request(b"POST /api/v1/print", b"tea 2.50\n", b"Content-Type: text/plain", b"Idempotency-Key: a"),
        _request(b"POST /api/v1/print", b'{"lines":[{"text":"tea"}]}', json),
        _request(b"POST /api/v1/drawer/open", b'{"drawer":1,"time_to_live_ms":500}', json),
        _request(b"GET /api/v1/scans?after=0&limit=3") + _request(b"GET /api/openapi.json"),
        b"POST /api/v1/print HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntea\r\n0\r\n\r\n",
        _request(b"GET /api/v1/jobs/0000000000000001/receipt.png") + _request(b"DELETE /api/v1/jobs/0000000000000001"),
        _UPGRADE + b"\x81" + bytes((0x80 | len(text),)) + bytes(4) + text + b"\x88\x80\0\0\0\0",
        _UPGRADE + b"\x89\x80\0\0\0\0\x82\x81\0\0\0\0a\x01\x81\0\0\0\0{\x80\x81\0\0\0\0}",
        _UPGRADE + b"\x81\xfe\xff\xff\0\0\0\0",
    ]


_HTTP_WORDS = (
    *(
        b"GET ",
        b"POST ",
        b"DELETE ",
        b"PUT ",
        b"OPTIONS ",
        b"HEAD ",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b"\r\n",
        b"\r\n\r\n",
    ),
    *(b"/api/v1/print", b"/api/v1/jobs", b"/api/v1/events", b"/api/v1/drawer/open", b"/api/v1/scans", b"/api/v1/state"),
    *(b"Host: 127.0.0.1\r\n", b"Expect: 100-continue\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"),
    *(
        b"Content-Type: application/json\r\n",
        b"Idempotency-Key: x\r\n",
        b"Origin: http://evil\r\n",
        b"%00",
        b"..",
        b"?",
    ),
    *(
        b"\x81\x80\0\0\0\0",
        b"\x88\x80\0\0\0\0",
        b"\x8a\x80\0\0\0\0",
        b'{"type":"ack","sequence":1}',
        b"[" * 50,
        b"ffffff\r\n",
    ),
    _UPGRADE,
)

# Whole, then closed; whole, and stay; cut with pauses, then closed; cut, and gone without reading.
STYLES = (0x30, 0x10, 0x77, 0xC0)


def _styled(seeds: list[bytes]) -> list[bytes]:
    return [bytes((style,)) + seed for seed in seeds for style in STYLES]


TARGETS: dict[str, Target] = {
    "commands": Target(commands, _escpos_seeds, _ESCPOS_WORDS),
    "receipt": Target(receipt, _escpos_seeds, _ESCPOS_WORDS, PICTURE_INPUT_BYTES),
    "answers": Target(
        answers, lambda: [b'\x14\x00\x00\x0f\x16\x377"abcd\0_COUNTERHUB\0\x12'], (b"\x37\x22", b"_", b"\0")
    ),
    "frames": Target(frames, _link_seeds, (b"\x7e", b">>> ", b"\x7f", b"\x7d", b"\xff", b"\x80")),
    "configuration": Target(configuration, _config_seeds, _TOML_WORDS),
    "board": Target(board, _board_seeds, _TOML_WORDS),
    "raw": Target(
        raw_session, lambda: _styled(_escpos_seeds()), (*_ESCPOS_WORDS, b"GET / HTTP/1.1\r\n", b"\x1b%-12345X", b"%PDF")
    ),
    "http": Target(http_session, lambda: _styled(_http_seeds()), _HTTP_WORDS),
}

logging.getLogger("asyncio").setLevel(logging.WARNING)
