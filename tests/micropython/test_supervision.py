"""A task that hangs or keeps dying takes the hub down, and the next life says which one and where.

The firmware runs unchanged; a main.py of the test's own makes one task hang or die at its work.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from host_bridge.interfaces.services import Refused
from host_bridge.virtual.counter import Counter
from host_bridge.virtual.flash import lay_firmware
from host_bridge.virtual.options import Options
from host_bridge.virtual.wiring import BACKUP
from hublink import hello as hello_codec
from hublink import words
from hublink.frame import HELLO, FrameReader
from tests.micropython.vm import FIRMWARE
from tests.virtual.till import Till

BOARD = FIRMWARE.parent / "board_configs" / "virtual.toml"
WATCHDOG_MS = 4000  # the witness needs 2 s to be sure that the program hangs, on a machine that is not busy
NEXT_LIFE_WITHIN_S = 60.0
SIDE_BY_SIDE = 7  # hubs: most of the time they wait

SABOTAGE = """
import machine, time
from hub import app, supervisor, timers
done = machine.reset_cause() != machine.PWRON_RESET
work = supervisor.Task.work
def sabotaged(task, step):
    work(task, step)
    if task.name == {task!r} and not done:
        {act}
supervisor.Task.work = sabotaged
hub = app.make_hub()
kicks = []
def kick(_):
    kicks.append(None)
    hub.drawer._on_kick(len(kicks), 1, 50, time.ticks_add(time.ticks_ms(), 60000))
def write(_):
    hub.printer._clear_due = True
    hub.printer._wake.set()
give_work = {{"drawer": kick, "printer_write": write}}.get({task!r})
if give_work and not done:
    timers.take().init(mode=machine.Timer.PERIODIC, period=100, callback=give_work)
hub.run()
"""
HANG = "while True: machine.idle()"
DIE = "raise ValueError('sabotage')"
# Each task of the hub, with the step of its work at which it is caught.
TASKS = {
    "link_read": "receive",
    "link_write": "send",
    "link_time": "timer",
    "backup_read": "receive",
    "backup_write": "send",
    "indicator": "light",
    "drawer": "pulse",
    "drawer_switch": "switch",
    "scanner": "scan",
    "scanner_sense": "sense",
    "printer_write": "write",
    "printer_read": "status",
    "printer_watch": "probe",
}


async def last_words(folder: Path, main: str) -> dict[str, Any]:
    """Run a hub with this main.py until its second life; that life's HELLO."""
    board = {**tomllib.loads(BOARD.read_text(encoding="utf-8")), "watchdog_ms": WATCHDOG_MS}
    board["backup_link"] = {**board["link"], "uart": BACKUP.uart, "tx": BACKUP.tx, "rx": BACKUP.rx}
    lay_firmware(FIRMWARE, folder / "flash", board)
    (folder / "flash" / "main.py").write_text(main)
    causes: asyncio.Queue[str] = asyncio.Queue()

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "restart":
            causes.put_nowait(event["cause"])

    counter = Counter(folder, Options(engine="micropython", backup_path=True), on_event)
    await counter.start()
    till, backup = Till(counter.port.address), Till(counter.backup_port.address)
    try:
        async with asyncio.timeout(NEXT_LIFE_WITHIN_S):
            assert await causes.get() == "PWRON_RESET"
            while causes.empty():  # work for the tasks that only have some when something comes
                with contextlib.suppress(Refused):  # the scanner is held off: nobody takes the scans
                    counter.scan("4006381333931", None)
                await till.write(b"\n")
                await backup.write(b"\n")
                await asyncio.sleep(0.1)
            while not (hellos := [hello for hello in heard(bytes(till.received)) if hello["boots"] > 1]):
                await asyncio.sleep(0.02)  # the first life's HELLOs may still be on their way
            return hellos[0]
    finally:
        till.close()
        backup.close()
        await counter.stop()


def heard(data: bytes) -> list[dict[str, Any]]:
    """The HELLOs in what a hub sent."""
    hellos: list[dict[str, Any]] = []

    def on_frame(kind: int, message: int, session: int, sequence: int, ack: int, payload: memoryview) -> None:
        if kind == HELLO:
            hellos.append(hello_codec.unpack_hello(payload))

    FrameReader(True, on_frame, lambda text: None, lambda name: None).feed(data, len(data))
    return hellos


async def of_each_task(folder: Path, act: str) -> dict[str, dict[str, Any]]:
    """A hub for each."""
    places = asyncio.Semaphore(SIDE_BY_SIDE)

    async def life(task: str) -> dict[str, Any]:
        async with places:
            return await last_words(folder / task, SABOTAGE.format(task=task, act=act))

    return dict(zip(TASKS, await asyncio.gather(*map(life, TASKS)), strict=True))


def test_no_task_is_left_out_here() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (FIRMWARE / "hub").glob("*.py"))
    assert set(re.findall(r"(?:supervisor\.|\s)add\(\"(\w+)\"", text)) == set(TASKS)


async def test_a_hang_of_any_task_is_ended_by_the_watchdog_and_named(tmp_path: Path) -> None:
    for task, hello in (await of_each_task(tmp_path, HANG)).items():
        what, culprit, step, uptime = hello["crumb"].split(":")
        assert (what, culprit, step) == ("hang", task, TASKS[task])
        assert uptime.endswith("s")
        assert (words.RESET_CAUSES[hello["reset_cause"]], hello["boots"]) == ("watchdog", 2)


async def test_a_task_that_keeps_dying_is_started_again_and_then_resets_the_hub(tmp_path: Path) -> None:
    for task, hello in (await of_each_task(tmp_path, DIE)).items():
        assert hello["crumb"] == f"reset:failing:{task}"
        assert hello["boots"] == 2


OUTSIDE = """
import machine
from hub import app, supervisor, timers
done = machine.reset_cause() != machine.PWRON_RESET
def hang(*_):
    while True: machine.idle()
def die(*_):
    raise ValueError('sabotage')
hub = app.make_hub()
if not done:
    {act}
hub.run()
"""


@pytest.mark.parametrize(
    ("act", "crumb"),
    [
        ("supervisor.Task.overdue = hang", "hang:supervisor:check"),
        ("supervisor.Task.overdue = die", "hang:supervisor:check"),
        ("hub.supervisor._on_failure = die; hub.scanner._look = die", "reset:failing:scanner_sense"),
        # Within an interrupt no other comes, so nobody can leave a crumb.
        ("timers.take().init(mode=machine.Timer.ONE_SHOT, period=500, callback=hang)", ""),
    ],
    ids=["the supervisor hangs", "the supervisor dies", "telling of a failure fails", "an interrupt hangs"],
)
async def test_what_watches_the_tasks_is_watched_too(tmp_path: Path, act: str, crumb: str) -> None:
    hello = await last_words(tmp_path / "hub", OUTSIDE.format(act=act))
    assert hello["crumb"].startswith(crumb) and bool(hello["crumb"]) == bool(crumb)
    assert hello["boots"] == 2


async def test_a_program_that_can_not_start_says_why_and_tries_again(tmp_path: Path) -> None:
    """The real main.py: a crash before the link is open is told by the next life."""
    broken = (FIRMWARE / "main.py").read_text(encoding="utf-8").replace("hub = app.make_hub()", START_ONCE_BROKEN)
    hello = await last_words(tmp_path / "hub", broken)
    assert (hello["crumb"], hello["boots"]) == ("crash:main:KeyError", 2)


START_ONCE_BROKEN = """
        import machine
        if machine.reset_cause() == machine.PWRON_RESET:
            raise KeyError("broken")
        hub = app.make_hub()
"""


async def test_a_loop_that_calls_nothing_is_ended_by_the_watchdog_outside(tmp_path: Path) -> None:
    """No interrupt comes through here (a chip's would), so nobody can leave a crumb; the reset comes all the same."""
    hello = await last_words(tmp_path / "hub", SABOTAGE.format(task="indicator", act="while True: pass"))
    assert words.RESET_CAUSES[hello["reset_cause"]] == "watchdog"
    assert hello["crumb"] == ""


@pytest.mark.parametrize("ticks_start_ms", [(1 << 30) - 700])
async def test_the_clock_may_wrap(tmp_path: Path, ticks_start_ms: int) -> None:
    """Nothing is late, nothing hangs, and HELLOs go on, after the millisecond counter began anew."""
    lay_firmware(FIRMWARE, tmp_path / "flash", tomllib.loads(BOARD.read_text(encoding="utf-8")))
    boots: list[str] = []
    options = Options(engine="micropython", ticks_start_ms=ticks_start_ms)
    counter = Counter(tmp_path, options, lambda event: boots.append(event["event"]))
    await counter.start()
    till = Till(counter.port.address)
    try:
        async with asyncio.timeout(NEXT_LIFE_WITHIN_S):
            while len(heard(bytes(till.received))) < 4:  # one each 500 ms
                await asyncio.sleep(0.05)
        assert boots.count("restart") == 1
    finally:
        till.close()
        await counter.stop()
