"""`counterhub print`: hand a file to the bridge and wait until it is known what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from rich.text import Text as Styled

from host_bridge.cli import screen
from host_bridge.cli.client import Accepted, Client, Unreachable
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.words import Words
from host_bridge.journal.records import Job, JobState
from host_bridge.plain_text import plain

FILE_LIMIT_BYTES = 16 * 1024 * 1024  # the bridge's own limit for one job
POLL_INTERVAL_S = 0.3
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PLAIN_CONTROLS = b"\t\n\r\f"  # what may stand in a text; any other control byte means printer commands

EXIT_CODES = {
    JobState.PRINTED: ExitCode.OK,
    JobState.UNCONFIRMED: ExitCode.UNCONFIRMED,
    JobState.FAILED: ExitCode.FAILED,
    JobState.CANCELLED: ExitCode.FAILED,
}


class Kind(enum.StrEnum):
    """What a file is."""

    TEXT = "text"
    PNG = "png"
    ESCPOS = "escpos"


CONTENT_TYPES = {Kind.TEXT: "text/plain; charset=utf-8", Kind.PNG: "image/png", Kind.ESCPOS: "application/octet-stream"}
SUFFIXES = {".txt": Kind.TEXT, ".png": Kind.PNG, ".bin": Kind.ESCPOS, ".prn": Kind.ESCPOS, ".escpos": Kind.ESCPOS}

OUTCOME_MARKS = {
    JobState.PRINTED: "ok",
    JobState.UNCONFIRMED: "warning",
    JobState.FAILED: "error",
    JobState.CANCELLED: "warning",
}

Report = Callable[[str], None]


def read_input(path: str, words: Words) -> bytes:
    """Return the bytes of the file, or of standard input for `-`. Raises CommandError."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(FILE_LIMIT_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(FILE_LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        raise CommandError(ExitCode.USAGE, words("file.missing", path=path)) from error
    except OSError as error:
        raise CommandError(ExitCode.USAGE, words("file.unreadable", path=path, why=error.strerror or error)) from error
    if len(data) > FILE_LIMIT_BYTES:
        raise CommandError(ExitCode.USAGE, words("file.large", path=path, limit=FILE_LIMIT_BYTES // 1024 // 1024))
    if not data:
        raise CommandError(ExitCode.USAGE, words("file.empty", path=path))
    return data


def kind_of(path: str, data: bytes, words: Words) -> Kind:
    """Tell by the name what it is; what comes by standard input, by its content. Raises CommandError."""
    if path == "-":
        return sniff(data)
    kind = SUFFIXES.get(Path(path).suffix.lower())
    if kind is None:
        raise CommandError(ExitCode.USAGE, words("file.kind", path=path), words("file.kind.remedy"))
    return kind


def sniff(data: bytes) -> Kind:
    """A PNG by its signature; printer commands if there is a control byte that no text has; otherwise text."""
    if data.startswith(PNG_SIGNATURE):
        return Kind.PNG
    controls = bytes(byte for byte in range(32) if byte not in PLAIN_CONTROLS)
    return Kind.ESCPOS if len(data) != len(data.translate(None, controls)) else Kind.TEXT


def content_type(path: str, data: bytes, kind: Kind | None, words: Words) -> str:
    """Return the Content-Type of what was asked for, or else of what it looks like. Raises CommandError."""
    return CONTENT_TYPES[kind or kind_of(path, data, words)]


def tell_accepted(accepted: Accepted, words: Words, *, as_json: bool) -> ExitCode:
    """For those who don't wait: the job id on stdout."""
    _tell_warnings(accepted, words)
    if as_json:
        screen.print_json(msgspec.to_builtins(accepted))
    else:
        screen.say(accepted.job_id)
    return ExitCode.OK


async def follow(client: Client, accepted: Accepted, words: Words, *, timeout_s: float, as_json: bool) -> ExitCode:
    """Show what becomes of the job until it is final or the time is over."""
    _tell_warnings(accepted, words)
    try:
        with _progress() as report:
            job = await wait_final(client, accepted.job_id, words, report, timeout_s=timeout_s)
    except asyncio.CancelledError:  # Ctrl-C
        screen.tell(words("print.interrupted", job=accepted.job_id))
        raise
    if job is None or not job.state.final:
        state = words(f"job.{job.state if job else accepted.state}")
        screen.tell(words("print.unfinished", job=accepted.job_id, state=state, seconds=timeout_s))
        await _tell_remedies(client, words)
        return ExitCode.UNFINISHED
    if as_json:
        screen.print_json(msgspec.to_builtins(job))
    else:
        reason = f"  ({words.reason(job.reason)})" if job.reason else ""
        outcome = screen.mark(OUTCOME_MARKS[job.state], words(f"job.{job.state}"))
        screen.stdout().print(outcome, f" {job.job_id}{reason}", sep="")
    if job.state is not JobState.PRINTED:
        if job.state is JobState.UNCONFIRMED:
            screen.tell(words("job.unconfirmed.remedy"))
        await _tell_remedies(client, words)
    return EXIT_CODES[job.state]


async def wait_final(
    client: Client,
    job_id: str,
    words: Words,
    report: Report,
    *,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Job | None:
    """Ask until the job is final or the time is over; return it as last seen.

    A bridge that restarts meanwhile keeps the job; so a lost connection is waited out, too.
    """
    deadline = clock() + timeout_s
    seen: Job | None = None
    while True:
        try:
            seen = await client.job(job_id)
            report(words("print.waiting", job=job_id, state=words(f"job.{seen.state}")))
            if seen.state.final:
                return seen
        except Unreachable:
            report(words("print.lost"))
        if clock() >= deadline:
            return seen
        await asyncio.sleep(POLL_INTERVAL_S)


@contextlib.contextmanager
def _progress() -> Iterator[Report]:
    """A moving line on a terminal, otherwise one line for each change, on stderr."""
    console = screen.stderr()
    if console.is_terminal:
        with console.status("…") as status:
            yield lambda text: status.update(Styled(plain(text)))
        return
    said = ""

    def report(text: str) -> None:
        nonlocal said
        if text != said:
            screen.tell(text)
        said = text

    yield report


async def _tell_remedies(client: Client, words: Words) -> None:
    """Say what the active faults' remedies are; nothing if the bridge can't be asked."""
    with contextlib.suppress(CommandError):
        state, _ = await client.state()
        for fault in state.faults:
            screen.tell(f"{words.of(fault.title)} – {words('remedy')}{words.of(fault.remedy)}")


def _tell_warnings(accepted: Accepted, words: Words) -> None:
    if accepted.replayed:
        screen.tell(words("print.replayed", job=accepted.job_id))
    if accepted.duplicate is not None:
        duplicate = accepted.duplicate
        text = words("print.duplicate", job=duplicate.job_id, seconds=duplicate.ago_s)
        screen.tell(words("print.warning", text=text))
    elif accepted.warning:
        screen.tell(words("print.warning", text=accepted.warning))
