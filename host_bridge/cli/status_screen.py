"""`counterhub status` for people: the link, the hub, each device, the light, and each fault with its remedy."""

from __future__ import annotations

import re

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text as Styled

from host_bridge.cli.outcome import ExitCode
from host_bridge.cli.screen import local_time, mark
from host_bridge.cli.words import Words
from host_bridge.state import DrawerState, FaultState, HubState, IndicatorState, PrinterState, ScannerState, State

WIDTH = 88
SHOWN_STEPS = 8  # of the light's pattern; a fault blinks at most that often

_COLOUR = re.compile("#[0-9A-Fa-f]{6}")
SEVERITY_MARKS = {"error": "error", "warning": "warning", "notice": "notice"}
SEVERITY_BORDERS = {"error": "red", "warning": "yellow", "notice": "blue"}
STATUS_MARKS = {
    "ready": "ok",
    "closed": "ok",
    "up": "ok",
    "printing": "busy",
    "open": "notice",
    "off": "notice",
    "fault": "error",
    "down": "error",
}


def exit_code(state: State) -> ExitCode:
    """OK only if the counter can sell: the link is up and nothing of severity `error` is active."""
    broken = state.link.status != "up" or any(fault.severity == "error" for fault in state.faults)
    return ExitCode.FAILED if broken else ExitCode.OK


def render(state: State, words: Words) -> RenderableType:
    title = f"Counterhub {state.version}"
    if state.virtual:
        title += f" · {words('virtual')}"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(words("link"), _status(state.link.status, words, "link."), _link_details(state, words))
    for path in state.link.paths:
        broken = path.status in ("down", "other_hub")
        shown = mark("warning" if broken else "ok", words("path." + path.status))
        table.add_row(
            words("path." + path.name),
            shown,
            _joined([path.reason and words.reason(path.reason), path.transport, path.port]),
        )
    table.add_row(words("hub"), *_hub(state.hub, state.link.status == "up", words))
    table.add_row("", "", "")
    scanner, printer, drawer = state.devices.scanner, state.devices.printer, state.devices.drawer
    table.add_row(words("scanner"), _status(scanner.status, words), _scanner_details(scanner, words))
    table.add_row(words("printer"), _status(printer.status, words), _printer_details(printer, words))
    table.add_row(words("drawer"), _drawer(drawer, words), "")
    table.add_row(words("indicator"), *_indicator(state.indicator, words))
    overview = Panel(
        table, title=title, subtitle=local_time(state.time), title_align="left", subtitle_align="right", width=WIDTH
    )
    if not state.faults:
        return Group(overview, Padding(mark("ok", words("faults.none")), (0, 2)))
    return Group(overview, *(fault_panel(fault, words) for fault in state.faults))


def _status(status: str, words: Words, prefix: str = "") -> Styled:
    return mark(STATUS_MARKS.get(status, "unknown"), words(prefix + status))


def _drawer(drawer: DrawerState, words: Words) -> Styled:
    return _status(drawer.status, words)


def _link_details(state: State, words: Words) -> Styled:
    link = state.link
    parts: list[str | None] = [words("link.since", time=local_time(link.since))]
    if link.status == "down":
        parts.append(f"{link.reason} ({link.detail})" if link.detail else link.reason)
    else:
        parts.append(link.transport)
        if link.round_trip_ms is not None:
            parts.append(words("link.round_trip", ms=link.round_trip_ms))
    return _joined([*parts, None if link.paths else link.port])  # the port last: it may be long


def _hub(hub: HubState | None, present: bool, words: Words) -> tuple[Styled, Styled]:
    if hub is None:
        return mark("unknown", words("hub.none")), Styled("")
    head = Styled(hub.name or hub.id)
    if hub.safe_mode:
        head = mark("warning", f"{hub.name or hub.id} {words('hub.safe_mode')}")
    parts = [
        None if present else words("hub.last"),
        hub.id,
        hub.board,
        words("hub.firmware", version=hub.firmware),
        words("hub.boots", boots=hub.boots, cause=hub.reset_cause),
        words("hub.crumb", crumb=hub.crumb, crash=words.of(hub.crash)) if hub.crash else None,
        *hub.problems,
    ]
    return head, _joined(parts)


def _scanner_details(scanner: ScannerState, words: Words) -> Styled:
    waiting = words("scanner.waiting", count=scanner.waiting) if scanner.waiting else None
    off = words("scanner.off_until", time=local_time(scanner.off_until)) if scanner.off_until else None
    return _joined([words("scanner.scans", count=scanner.scans), waiting, off])


def _printer_details(printer: PrinterState, words: Words) -> Styled:
    return _joined(
        [
            words(f"paper.{printer.paper}"),
            words("printer.cover") if printer.cover_open else None,
            words("printer.cutter") if printer.cutter_error else None,
            words("printer.current", job=printer.current_job) if printer.current_job else None,
            words("printer.queued", count=printer.queued_jobs) if printer.queued_jobs else None,
        ]
    )


def _indicator(indicator: IndicatorState, words: Words) -> tuple[Styled, Styled]:
    """The light's steps as dots, hollow where it is dark, and what they mean."""
    dots = Styled()
    for step in indicator.steps[:SHOWN_STEPS]:
        dark = step.colour == "#000000"
        colour = step.colour if _COLOUR.fullmatch(step.colour) and not dark else "dim"
        dots.append("○" if dark else "●", style=colour)
    if not indicator.steps:
        dots = mark("unknown", indicator.pattern)
    meaning = words.of(indicator.meaning)
    if not indicator.known:
        meaning = words("indicator.should", meaning=meaning)
    return dots, _joined([meaning, indicator.pattern if indicator.steps else None])


def fault_panel(fault: FaultState, words: Words, hub: str | None = None) -> Panel:
    """A fault with what to do; `hub`: the name of the one that has it, where there are several."""
    title = Styled.assemble(
        mark(SEVERITY_MARKS.get(fault.severity, "unknown"), words(f"severity.{fault.severity}")),
        (f"  {hub}: {words.of(fault.title)}" if hub else f"  {words.of(fault.title)}", "bold"),
    )
    lines: list[RenderableType] = []
    if words.of(fault.cause):
        lines.append(Styled(words.of(fault.cause)))
    remedy = Styled.assemble((words("remedy"), "bold"), words.of(fault.remedy))
    lines.append(remedy)
    since = words("fault.since", time=local_time(fault.since))
    footer = _joined([fault.code, fault.device, since, _light_of(fault, words)])
    return Panel(
        Group(*lines),
        title=title,
        title_align="left",
        subtitle=Styled.assemble((footer.plain, "dim")),
        subtitle_align="right",
        border_style=SEVERITY_BORDERS.get(fault.severity, "white"),
        width=WIDTH,
    )


def _light_of(fault: FaultState, words: Words) -> str:
    if fault.device == "link" and fault.severity == "error":
        return words("fault.waits")
    return words("fault.blinks", count=fault.blinks) if fault.blinks else words("fault.unshown")


def _joined(parts: list[str | None]) -> Styled:
    """Not a str: rich would take what a hub says in square brackets for its own marks."""
    return Styled(" · ".join(part for part in parts if part))
