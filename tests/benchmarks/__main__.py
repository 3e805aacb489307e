"""Measurements of what limits a counter: `make bench`, or `make bench ARGS="--only scan"` for one of them.

Each figure stands beside its goal and, where there is one, a peer that did the same work in the same run. Compare
figures of one machine only; docs/benchmarks.md says what each means.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import (
    measure_backup,
    measure_chip,
    measure_frames,
    measure_hubs,
    measure_idle,
    measure_line,
    measure_print,
    measure_recovery,
    measure_scan,
    measure_sizes,
)
from tests.benchmarks.bench import Bench, Scale
from tests.benchmarks.figures import Figure, Group, Missing, machine, show, write_json

ROOT = Path(__file__).resolve().parents[2]
TABLE_COLUMNS = 120
FAILED = "failed"  # how the reason begins of a measurement that ends the program with an error


class Measurement(NamedTuple):
    title: str
    run: Callable[[Bench], Awaitable[list[Figure]]]


MEASUREMENTS = {
    "frames": Measurement("Frames of 240 bytes", measure_frames.frames),
    "idle": Measurement("An idle bridge with one hub", measure_idle.idle),
    "scan": Measurement("Scan, serial port to WebSocket", measure_scan.scan_to_websocket),
    "beside": Measurement("Scan while a receipt prints: milliseconds added", measure_line.scan_beside_print),
    "print": Measurement("Receipts, raw port to serial port", measure_print.printing),
    "line": Measurement("A line of 115200 baud", measure_line.line_share),
    "recovery": Measurement("Trouble on the link", measure_recovery.recovery),
    "backup": Measurement("Two paths to the hub", measure_backup.backup_path),
    "jobs": Measurement("Cost against the size of a job", measure_sizes.job_sizes),
    "hubs": Measurement("Cost against the number of hubs", measure_hubs.hub_counts),
    "journal": Measurement("Cost against the length of the journal", measure_sizes.journal_sizes),
    "chip": Measurement("The firmware on an RP2040, emulated", measure_chip.on_the_chip),
}


def main(arguments: Sequence[str]) -> int:
    given = _parse(arguments)
    scale: Scale = "smoke" if given.smoke else "full" if given.full else "normal"
    names = given.only or list(MEASUREMENTS)
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=TABLE_COLUMNS)
    if sys.platform == "win32":
        print("the measurements need pseudo-terminals, which Windows has not", file=sys.stderr)
        return 1
    about = machine()
    given.out.mkdir(parents=True, exist_ok=True)
    groups = asyncio.run(_measure(names, scale, given.out))
    show(console, groups)
    write_json(given.out / "bench.json", groups, about, scale)
    console.print(
        f"{about['cores']} cores, {about['processor']}, Python {about['python']}; load before: "
        f"{about['load_before']:.1f}, niceness {about['niceness']}"
        f"{', real-time priority' if about['real_time'] else ''}. Written: {given.out / 'bench.json'}"
    )
    return 1 if any(group.skipped.startswith(FAILED) for group in groups) else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", action="append", choices=list(MEASUREMENTS), metavar="NAME", help=", ".join(MEASUREMENTS)
    )
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--smoke", action="store_true", help="only see that it runs: the numbers mean nothing")
    scale.add_argument(
        "--full", action="store_true", help="also a journal of 1,000,000 jobs, and an emulated chip for long"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder for bench.json and the plots")
    return parser.parse_args(arguments)


async def _measure(names: Sequence[str], scale: Scale, out: Path) -> list[Group]:
    """One after the other; one that fails is named and the others go on."""
    groups = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=out) as directory,
        Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress,
    ):
        bench = Bench(scale, Path(directory).resolve(), out, progress)
        try:
            for name in names:
                groups.append(await _group(name, bench))
                if not console.is_terminal:
                    print(f"{name}: {groups[-1].seconds:.0f} s", file=sys.stderr, flush=True)
        finally:
            await bench.close()
    return groups


async def _group(name: str, bench: Bench) -> Group:
    title, run = MEASUREMENTS[name]
    started = time.perf_counter()
    figures: list[Figure] = []
    skipped = ""
    try:
        figures = await run(bench)
    except Missing as error:
        skipped = f"not measured: {error}"
    except (OSError, RuntimeError, TimeoutError, AssertionError) as error:
        skipped = f"{FAILED}: {type(error).__name__}: {error}"
    return Group(name=name, title=title, seconds=time.perf_counter() - started, figures=figures, skipped=skipped)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
