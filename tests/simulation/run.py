"""Many seeds over several processes, or one with its trace."""

from __future__ import annotations

import multiprocessing
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tests.simulation.scenario import Result, run
from tests.simulation.two_paths import run as run_two_paths
from tests.simulation.world import BrokenPromise

BATCH_SEEDS = 100
BROKEN_KEPT = 200  # of one run


class Report(NamedTuple):
    seeds: int
    broken: list[tuple[int, str]]
    recovery_ms: float
    slowest_seed: int
    happened: Counter[str]


def run_batch(seeds: range, two_paths: bool = False) -> Report:
    """Each seed by itself; what breaks in one does not end the others."""
    broken: list[tuple[int, str]] = []
    happened: Counter[str] = Counter()
    slowest, slowest_seed = 0.0, seeds.start
    for seed in seeds:
        try:
            result = live_through(seed, two_paths)
        except Exception as error:
            broken.append((seed, f"{type(error).__name__}: {error}"))
            continue
        happened.update(result.happened)
        if result.recovery_ms > slowest:
            slowest, slowest_seed = result.recovery_ms, seed
    return Report(len(seeds), broken, slowest, slowest_seed, happened)


def run_many(
    seeds: range,
    processes: int,
    progress: Callable[[int, int], None] = lambda done, broken: None,
    two_paths: bool = False,
) -> Report:
    """All seeds, over so many processes; `progress(done, broken)` after each batch."""
    batches = [seeds[at : at + BATCH_SEEDS] for at in range(0, len(seeds), BATCH_SEEDS)]
    done = 0
    broken: list[tuple[int, str]] = []
    happened: Counter[str] = Counter()
    slowest, slowest_seed = 0.0, seeds.start
    # `spawn` is what every system has, and it doesn't copy a test runner's threads.
    with multiprocessing.get_context("spawn").Pool(min(processes, len(batches))) as pool:
        for report in pool.imap_unordered(partial(run_batch, two_paths=two_paths), batches):
            done += report.seeds
            broken += report.broken[: BROKEN_KEPT - len(broken)]
            happened.update(report.happened)
            if report.recovery_ms > slowest:
                slowest, slowest_seed = report.recovery_ms, report.slowest_seed
            progress(done, len(broken))
    return Report(done, sorted(broken), slowest, slowest_seed, happened)


def live_through(seed: int, two_paths: bool, trace: Callable[[str], None] | None = None) -> Result:
    return run_two_paths(seed, trace) if two_paths else run(seed, trace)


def replay(seed: int, tell: Callable[[str], None], two_paths: bool = False) -> int:
    """One seed with everything that happens; 1 if it breaks a promise."""
    try:
        result = live_through(seed, two_paths, tell)
    except BrokenPromise as error:
        tell(f"seed {seed} breaks a promise {error}")
        return 1
    except BrokenPipeError:  # whoever reads the trace has seen enough
        raise
    except Exception:
        tell(f"seed {seed} breaks down:\n{traceback.format_exc()}")
        return 1
    tell(f"seed {seed} keeps all promises; all was well {result.recovery_ms:.0f} ms after the last trouble")
    return 0
