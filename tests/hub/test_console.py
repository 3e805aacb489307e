"""Text from the hub becomes bounded log lines, whatever it is and however it is cut."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.hub.console import (
    LINE_LIMIT_CHARS,
    LINES_KEPT,
    LOG_LINES,
    LOG_TRACEBACKS,
    LOG_WINDOW_S,
    TRACEBACK_LIMIT_LINES,
    Console,
)

TRACEBACK = b"""Traceback (most recent call last):\r
  File "hub/printer.py", line 12, in run\r
  File "asyncio/core.py", line 1, in run_until_complete\r
OSError: [Errno 5] EIO\r
"""


def test_a_traceback_is_one_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    console = Console("till 1")
    for byte in b"before\n" + TRACEBACK + b"after\n":
        console.feed(bytes((byte,)))
    records = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in records] == ["INFO", "ERROR", "INFO"]
    assert records[1][1].startswith("till 1 reports an exception:\nTraceback")
    assert records[1][1].endswith("OSError: [Errno 5] EIO")


def test_an_unfinished_traceback_is_logged_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    console = Console()
    console.feed(TRACEBACK[:60])
    console.flush()
    assert "reports an exception" in caplog.text


def test_an_endless_traceback_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    console = Console()
    console.feed(b"Traceback (most recent call last):\n" + b"  File x\n" * 1000)
    assert len(caplog.records[0].getMessage().splitlines()) <= TRACEBACK_LIMIT_LINES + 1


def test_of_a_flood_of_text_so_many_lines_a_minute_are_logged_and_the_others_counted_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    console = Console("till 1", lambda: now)
    for number in range(LOG_LINES + 500):
        console.feed(b"line %d\n" % number)
    assert caplog.messages == [f"till 1 says: line {number}" for number in range(LOG_LINES)]
    assert console.lines[-1] == f"line {LOG_LINES + 499}", "what is kept for a look is not the log's matter"
    caplog.clear()
    now = LOG_WINDOW_S - 0.001
    console.feed(b"too early\n")
    assert caplog.messages == []
    now = LOG_WINDOW_S
    console.feed(b"again\nand again\n")
    assert caplog.messages == [
        "till 1 says more: 501 lines left out",
        "till 1 says: again",
        "till 1 says: and again",
    ]


def test_what_was_left_out_is_told_at_the_end_if_no_more_text_comes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    console = Console("till 1", lambda: 0.0)
    console.feed(b"line\n" * (LOG_LINES + 7))
    console.flush()
    console.flush()
    assert caplog.messages[LOG_LINES:] == ["till 1 says more: 7 lines left out"]


def test_chatter_hides_no_exception_and_exceptions_have_a_limit_too(caplog: pytest.LogCaptureFixture) -> None:
    console = Console("till 1", lambda: 0.0)
    console.feed(b"chatter\n" * (LOG_LINES + 1))
    console.feed(TRACEBACK * (LOG_TRACEBACKS + 3))
    console.flush()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [error.split(":")[0] for error in errors[:-1]] == ["till 1 reports an exception"] * LOG_TRACEBACKS
    assert errors[-1] == "till 1 reports more: 3 exceptions left out"


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_what_is_kept_is_bounded_and_printable(pieces: list[bytes]) -> None:
    console = Console()
    for piece in pieces:
        console.feed(piece)
    console.flush()
    assert len(console.lines) <= LINES_KEPT
    for line in console.lines:
        assert len(line) <= LINE_LIMIT_CHARS
        assert all(char.isprintable() or char == "\t" for char in line)


@given(st.integers(0, 60))
def test_the_cut_of_the_pieces_does_not_matter(cut: int) -> None:
    text = b"one\r\ntwo \xe4\xba\x8c three\n\nfour\n"
    whole, parts = Console(), Console()
    whole.feed(text)
    at = min(cut, len(text))
    parts.feed(text[:at])
    parts.feed(text[at:])
    assert whole.lines == parts.lines


def test_only_the_last_lines_are_kept() -> None:
    console = Console()
    console.feed(b"".join(b"line %d\n" % number for number in range(1000)))
    assert console.lines[-1] == "line 999"
    assert len(console.lines) == LINES_KEPT


@pytest.mark.parametrize("sign", [b">>> ", b"MicroPython v1.28.0 on", b"raw REPL; CTRL-B to exit\r\n>"])
def test_a_prompt_is_seen_in_any_pieces_and_forgotten_when_asked(sign: bytes) -> None:
    console = Console()
    for byte in sign:
        console.feed(bytes((byte,)))
    assert console.repl_seen
    console.forget_repl()
    assert not console.repl_seen
    console.feed(b"hello\n")
    assert not console.repl_seen
