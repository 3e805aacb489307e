"""The measurements run, and say what they found; how fast anything is, no test judges."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.plot import Line, write_plot

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["frames", "idle", "scan", "print", "hubs", "journal"]  # the others take seconds by their nature
DEADLINE_S = 120


@pytest.mark.skipif(sys.platform == "win32", reason="the measurements need pseudo-terminals")
def test_the_program_prints_a_table_and_writes_its_figures(tmp_path: Path) -> None:
    names = [argument for name in QUICK for argument in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--smoke", "--out", str(tmp_path), *names],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "firmware")))},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = msgspec.json.decode((tmp_path / "bench.json").read_bytes())
    assert [group["name"] for group in written["groups"]] == QUICK
    for group in written["groups"]:
        assert not group["skipped"]
        for figure in group["figures"]:
            assert isinstance(figure["value"], float | int)
            assert figure["name"][:20] in done.stdout
            assert figure["met"] in (True, False) if figure["goal"] is not None else figure["met"] is None
    assert (tmp_path / "bench-journal-size.svg").exists()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]  # it takes its bridges' folders with it


@pytest.mark.skipif(sys.platform == "win32", reason="the measurements need pseudo-terminals")
def test_what_needs_an_image_says_so_and_is_no_failure(tmp_path: Path) -> None:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "firmware")))
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--only", "chip", "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "PICO_UF2": ""},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (group,) = msgspec.json.decode((tmp_path / "bench.json").read_bytes())["groups"]
    assert group["figures"] == [] and "PICO_UF2" in group["skipped"]


def test_an_unknown_measurement_is_refused_with_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--only", "speed"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "firmware")))},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 2
    assert "speed" in done.stderr
    assert "recovery" in done.stderr


@pytest.mark.parametrize(
    ("value", "goal", "at_least", "met"),
    [(1.0, None, False, None), (1.0, 1.0, False, True), (1.1, 1.0, False, False), (0.9, 1.0, True, False)],
)
def test_a_figure_is_met_only_within_its_goal(value: float, goal: float | None, at_least: bool, met: object) -> None:
    assert Figure(name="x", value=value, unit="ms", goal=goal, at_least=at_least).met is met


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.01, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert percentile([7.0], 0.99) == 7


def test_a_plot_is_well_formed_and_takes_nothing_as_a_point(tmp_path: Path) -> None:
    write_plot(tmp_path / "plot.svg", "a < b", "x", "y", [Line("one & two", [(0, 0.001), (10, 0.01), (1000, 5)])])
    root = ElementTree.parse(tmp_path / "plot.svg").getroot()
    assert root.tag.endswith("svg")
    assert len(root.findall("{*}circle")) == 4  # three points and the key
