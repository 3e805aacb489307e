"""The soak: `python -m tests.simulation --seeds N`, over all cores, or one seed again with all that happened in it.

    python -m tests.simulation --seeds 1000000             as many scenarios, from seed 0 on
    python -m tests.simulation --seeds 100000 --seed 5000  from seed 5000 on
    python -m tests.simulation --replay 4711               one seed, with a trace
    python -m tests.simulation --two-paths                 the same with a backup path

Ends with status 1 if a promise was broken; each broken seed is printed with the command that replays it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

if __package__:
    sys.path[:0] = [str(Path(__file__).parents[2] / "firmware")]

from tests.simulation.run import Report, replay, run_many

BAR_EVERY_S = 1.0
BROKEN_SHOWN = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10_000, help="how many scenarios (10000)")
    parser.add_argument("--seed", type=int, default=0, help="the first one (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (as many as cores)")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run this seed alone and print what happens in it")
    parser.add_argument("--two-paths", action="store_true", help="a hub with a backup path")
    options = parser.parse_args()
    if options.replay is not None:
        try:
            return replay(options.replay, print, options.two_paths)
        except BrokenPipeError:  # `| head`
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the interpreter's last flush
            return 0
    if options.seeds < 1 or options.jobs < 1:
        parser.error("--seeds and --jobs must be at least 1")
    started = time.monotonic()
    told_at = started

    def progress(done: int, broken: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at >= BAR_EVERY_S or done == options.seeds:
            told_at = now
            rate = done / (now - started)
            left_s = (options.seeds - done) / rate
            sys.stderr.write(f"\r{done}/{options.seeds} seeds, {rate:.0f}/s, {broken} broken, {left_s:.0f} s left    ")
            sys.stderr.flush()

    report = run_many(range(options.seed, options.seed + options.seeds), options.jobs, progress, options.two_paths)
    sys.stderr.write("\n")
    tell(report, time.monotonic() - started, " --two-paths" if options.two_paths else "")
    return 1 if report.broken else 0


def tell(report: Report, took_s: float, option: str) -> None:
    print(f"{report.seeds} seeds in {took_s:.1f} s; {len(report.broken)} broke a promise")
    print(f"slowest recovery: {report.recovery_ms:.0f} ms of virtual time, seed {report.slowest_seed}")
    for what, times in report.happened.most_common():
        print(f"{times:>12} {what}")
    for seed, error in report.broken[:BROKEN_SHOWN]:
        print(f"seed {seed}: {error}\n    replay: python -m tests.simulation{option} --replay {seed}")


if __name__ == "__main__":
    raise SystemExit(main())
