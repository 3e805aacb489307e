"""What a measurement yields: a figure with its goal and its peer, the table of them, and `bench.json`."""

from __future__ import annotations

import math
import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNITS_AFTER = {"share": 3, "%": 2, "ms": 2, "µs": 1, "MB/s": 2, "MB": 1, "×": 2}


class Missing(Exception):
    """A measurement needs something that is not here, and nobody has failed."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """What does the same work in the same run."""

    name: str
    value: float | None  # None: it isn't here, and `note` says how to get it
    note: str = ""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number. With `goal`: at most that much, or, with `at_least`, at least."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False
    peer: Peer | None = None
    note: str = ""
    detail: dict[str, float] = {}

    @property
    def met(self) -> bool | None:
        """None: there is no goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one measurement; `skipped` says why there are none."""

    name: str
    title: str
    seconds: float
    figures: list[Figure] = []
    skipped: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least so many of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


def spread(values: Sequence[float]) -> dict[str, float]:
    """For `detail`: how the single measurements lie."""
    found = {"count": float(len(values)), "median": median(values)}
    return found | {"p90": percentile(values, 0.9), "p99": percentile(values, 0.99), "max": max(values)}


def machine() -> dict[str, Any]:
    """What the numbers depend on, without naming the machine."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_before": load,
        "niceness": os.nice(0) if hasattr(os, "nice") else None,
        "real_time": sys.platform == "linux" and os.sched_getscheduler(0) != os.SCHED_OTHER,
    }


def write_json(path: Path, groups: Sequence[Group], about: dict[str, Any], scale: str) -> None:
    document = {
        "machine": about,
        "scale": scale,
        "groups": [
            {**msgspec.to_builtins(group), "figures": [_as_json(figure) for figure in group.figures]}
            for group in groups
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def show(console: Console, groups: Sequence[Group]) -> None:
    table = Table(title="Counterhub, measured", title_justify="left", expand=False, pad_edge=False)
    for column, justify in (("figure", "left"), ("measured", "right"), ("goal", "right"), ("", "left")):
        table.add_column(column, justify=justify, no_wrap=column in ("measured", "goal"))  # type: ignore[arg-type]
    table.add_column("peer, same run", overflow="fold")
    for group in groups:
        table.add_section()
        table.add_row(Text(group.title, "bold"), "", "", "", Text(group.skipped, "yellow"))
        for figure in group.figures:
            table.add_row(f"  {figure.name}", _value(figure), _goal(figure), _verdict(figure), _peer(figure))
    console.print(table)
    for group in groups:
        for figure in group.figures:
            if figure.note:
                console.print(Text.assemble(("• ", "dim"), (f"{figure.name}: ", "dim"), (figure.note, "dim")))


def shown(value: float, unit: str) -> str:
    number = f"{value:.{UNITS_AFTER.get(unit, 2)}f}"
    return number if unit == "share" else f"{number} {unit}"


def _as_json(figure: Figure) -> dict[str, Any]:
    return {**msgspec.to_builtins(figure), "met": figure.met}


def _value(figure: Figure) -> str:
    return shown(figure.value, figure.unit)


def _goal(figure: Figure) -> str:
    return "" if figure.goal is None else f"{'≥' if figure.at_least else '≤'} {shown(figure.goal, figure.unit)}"


def _verdict(figure: Figure) -> Text:
    if figure.met is None:
        return Text("")
    return Text("met", "green") if figure.met else Text("missed", "bold red")


def _peer(figure: Figure) -> str:
    peer = figure.peer
    if peer is None:
        return ""
    if peer.value is None:
        return f"{peer.name}: skipped, {peer.note}"
    return f"{peer.name}: {shown(peer.value, figure.unit)}" + (f" ({peer.note})" if peer.note else "")


def _processor() -> str:
    if sys.platform.startswith("linux"):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
