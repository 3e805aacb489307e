"""The hub's reset line: one pulse, an input otherwise, seldom, and an error that says what to do."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from host_bridge.hub.reset_line import AGAIN_FIRST_MS, AGAIN_MAX_MS, ResetLine, ResetLineError
from host_bridge.hub.worker import StuckThreads

ROOT = Path(__file__).parents[2]


class Wire:
    """A pin as Blinka's digitalio gives it, with what is done to it."""

    done: list[Any]
    fails: Exception | None = None
    hangs: threading.Event | None = None

    def __init__(self, pin: Any) -> None:
        Wire.done = [("take", pin.id)]
        if Wire.hangs is not None:
            Wire.hangs.wait(10)
        if Wire.fails is not None:
            raise Wire.fails

    def switch_to_output(self, value: bool) -> None:
        Wire.done.append(("drive", value))

    def switch_to_input(self) -> None:
        Wire.done.append("input")

    def deinit(self) -> None:
        Wire.done.append("give back")


BOARD = SimpleNamespace(board_id="RASPBERRY_PI_4B", D17=SimpleNamespace(id=17), D4=SimpleNamespace(id=4), SCL=None)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "fails", None)
    monkeypatch.setattr(Wire, "hangs", None)
    threads = StuckThreads()
    monkeypatch.setattr("host_bridge.hub.reset_line.stuck", threads)
    monkeypatch.setattr("host_bridge.hub.worker.stuck", threads)


def line(pin: str = "D17", **arguments: Any) -> ResetLine:
    arguments.setdefault("pulse_ms", 1)
    return ResetLine(pin, load=lambda: (BOARD, SimpleNamespace(DigitalInOut=Wire)), **arguments)


@pytest.mark.parametrize(("active", "level"), [("low", False), ("high", True)])
async def test_one_pulse_and_then_the_pin_drives_nothing(active: Any, level: bool) -> None:
    assert await line(active=active).pull()
    assert Wire.done == [("take", 17), ("drive", level), "input", "give back"]


async def test_a_check_drives_nothing() -> None:
    await line().check()
    assert Wire.done == [("take", 17), "input", "give back"]


async def test_a_pin_that_fails_in_the_pulse_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Wire, value: bool) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Wire, "switch_to_output", broken)
    with pytest.raises(ResetLineError, match="Input/output error"):
        await line().pull()
    assert Wire.done == [("take", 17), "input", "give back"]


async def test_an_unknown_pin_names_those_that_there_are() -> None:
    with pytest.raises(ResetLineError, match="RASPBERRY_PI_4B has no pin D99; it has D17, D4"):
        await line("D99").check()
    with pytest.raises(ResetLineError, match="has no pin SCL"):
        await line("SCL").check()


async def test_a_missing_permission_says_which_group() -> None:
    Wire.fails = PermissionError(13, "Permission denied: '/dev/gpiochip0'")
    with pytest.raises(ResetLineError, match="group of the pins: sudo usermod"):
        await line().check()


async def test_a_driver_that_hangs_is_left_behind_and_not_asked_again() -> None:
    Wire.hangs = threading.Event()
    hung = line(deadline_ms=20)
    with pytest.raises(ResetLineError, match="did not answer within"):
        await hung.check()
    with pytest.raises(ResetLineError, match="still hangs"):
        await hung.check()
    Wire.hangs.set()


async def test_a_hub_that_never_answers_is_reset_more_and_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    clock = SimpleNamespace(time=lambda: now_s)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    silent = line()

    async def pulse(work: Any) -> None:
        pulses.append(now_s)

    pulses: list[float] = []
    monkeypatch.setattr(silent, "_in_thread", pulse)
    for _ in range(7 * 3600 // 10):  # asked each ten seconds for seven hours
        await silent.pull()
        now_s += 10
    apart_s = [after - before for before, after in pairwise(pulses)]
    assert apart_s[:3] == [AGAIN_FIRST_MS / 1000 * factor for factor in (1, 2, 4)]
    assert max(apart_s) == AGAIN_MAX_MS / 1000
    assert len(pulses) < 16
    now_s += 24 * 3600
    await silent.pull()
    now_s += AGAIN_FIRST_MS / 1000
    assert await silent.pull(), "after a good day it begins anew"


def blinka(pin: str, code: str = "", **environment: str) -> str:
    """What a check says with the real Blinka in a process of its own."""
    pytest.importorskip("adafruit_blinka", reason="the gpio extra is not installed")
    program = (
        "import asyncio\n"
        "from host_bridge.hub.reset_line import ResetLine, ResetLineError, _load_blinka\n"
        f"{code or 'load = None'}\n"
        "async def main():\n"
        f"    line = ResetLine({pin!r}, pulse_ms=1, load=load)\n"
        "    try:\n        await line.check()\n        print('pulled', await line.pull())\n"
        "    except ResetLineError as error:\n        print(error)\n"
        "asyncio.run(main())\n"
    )
    paths = os.pathsep.join((str(ROOT), str(ROOT / "firmware")))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BLINKA_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


AGNOSTIC = {"BLINKA_FORCEBOARD": "OS_AGNOSTIC_BOARD", "BLINKA_FORCECHIP": "OS_AGNOSTIC"}


def test_blinkas_own_pin_takes_what_is_done_to_it() -> None:
    """Its board of make-believe has the real interface and no wire."""
    code = (
        "import types\n"
        "def load():\n"
        "    board, digitalio = _load_blinka()\n"
        "    return types.SimpleNamespace(board_id='a board', Dx_OUTPUT=board.Dx_OUTPUT), digitalio\n"
    )
    assert blinka("Dx_OUTPUT", code, **AGNOSTIC) == "pulled True\n"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (AGNOSTIC, "runs without a board"),
        ({"BLINKA_FORCEBOARD": "NO_SUCH", "BLINKA_FORCECHIP": "NO_SUCH"}, "does not know this machine"),
        ({"BLINKA_FT232H": "1"}, "D17"),  # no such adapter here, or no driver for it
        ({"BLINKA_U2IF": "1"}, ""),
    ],
)
def test_a_machine_without_such_pins_is_told_in_one_sentence(environment: dict[str, str], words: str) -> None:
    said = blinka("D17", **environment)
    assert words in said
    assert said.count("\n") == 1 and "Traceback" not in said


async def test_without_blinka_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adafruit_blinka", None)
    with pytest.raises(ResetLineError, match=r"pip install 'counterhub\[gpio\]'"):
        await ResetLine("D17").check()
