"""Writing to the terminal: results on stdout, everything else on stderr; colour never says anything alone.

All that the command line writes goes through here, for much of it is from outside: what a barcode holds, how a USB
device calls itself, what some server answers. None of it drives the terminal: no control characters, no markup.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime

import msgspec
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.measure import Measurement
from rich.segment import Segment
from rich.text import Text as Styled

from host_bridge.cli.outcome import CommandError
from host_bridge.cli.words import Words
from host_bridge.plain_text import escaped_json, plain

LINE_ENDS = "\n"
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


class _Plain:
    """What is shown, with the texts in it plain; colours and styles are rich's own and stay."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for text, style, control in console.render(self._shown, options):
            yield Segment(text if control else plain(text, LINE_ENDS), style, control)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._shown)


class _AllPlain(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Plain(each) for each in renderables]


def stdout() -> Console:
    return _console(to_stderr=False)


def stderr() -> Console:
    return _console(to_stderr=True)


def _console(*, to_stderr: bool) -> Console:
    console = Console(stderr=to_stderr, highlight=False, soft_wrap=False, markup=False, emoji=False)
    console.push_render_hook(_AllPlain())
    return console


def print_error(error: CommandError, words: Words) -> None:
    console = stderr()
    console.print(Styled.assemble((words("error"), "bold red"), error.message), soft_wrap=True)
    if error.remedy:
        console.print(Styled.assemble((words("remedy"), "bold"), error.remedy), soft_wrap=True)


def tell(text: str) -> None:
    """A remark for the person at the keyboard: on stderr, so that results can be piped on."""
    print(plain(text, LINE_ENDS), file=sys.stderr, flush=True)


def say(text: str) -> None:
    """A result as it is, without colours: for people and for programs."""
    print(plain(text, LINE_ENDS), flush=True)


def print_json(value: object) -> None:
    """One JSON document, indented."""
    print(escaped_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()), flush=True)


def print_json_line(value: object) -> None:
    """One JSON document, on one line."""
    print(escaped_json(msgspec.json.encode(value).decode()), flush=True)


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
