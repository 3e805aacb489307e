"""Writing to the terminal: results on stdout, everything else on stderr; colour never says anything alone."""

from __future__ import annotations

import sys
from datetime import datetime

import msgspec
from rich.console import Console
from rich.text import Text as Styled

from host_bridge.cli.outcome import CommandError
from host_bridge.cli.words import Words

MARKS = {
    "ok": ("✔", "green"),
    "busy": ("…", "cyan"),
    "notice": ("•", "cyan"),
    "warning": ("!", "yellow"),
    "error": ("✖", "bold red"),
}
UNKNOWN_MARK = ("?", "dim")


def prepare_streams() -> None:
    """Make a stream that can't show a character (an old Windows code page) print `?` and not fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def stdout() -> Console:
    return Console(highlight=False, soft_wrap=False)


def stderr() -> Console:
    return Console(stderr=True, highlight=False)


def print_error(error: CommandError, words: Words) -> None:
    console = stderr()
    console.print(Styled.assemble((words("error"), "bold red"), error.message), soft_wrap=True)
    if error.remedy:
        console.print(Styled.assemble((words("remedy"), "bold"), error.remedy), soft_wrap=True)


def tell(text: str) -> None:
    """A remark for the person at the keyboard: on stderr, so that results can be piped on."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """One JSON document, indented."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode(), flush=True)


def mark(kind: str, text: str) -> Styled:
    """A sign and a word in the colour of `kind`: "ok", "busy", "warning", "error", anything else unknown."""
    sign, style = MARKS.get(kind, UNKNOWN_MARK)
    return Styled.assemble((f"{sign} {text}", style))


def local_time(rfc3339: str, *, today: datetime | None = None) -> str:
    """`2025-01-31T09:30:00.125Z` on this machine's clock: only the time if it was today. Unreadable times stay."""
    try:
        moment = datetime.fromisoformat(rfc3339).astimezone()
    except ValueError:
        return rfc3339
    now = today or datetime.now().astimezone()
    return moment.strftime("%H:%M:%S" if moment.date() == now.date() else "%Y-%m-%d %H:%M:%S")
