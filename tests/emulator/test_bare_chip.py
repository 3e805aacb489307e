"""`counterhub flash` on the port of a chip with bare MicroPython: killed on its way, given again, it makes a hub of it.

The command waits by the chip's clock; else it is the one that a technician gives, its terminal included.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from host_bridge.emulator.start import CLOCK_FILE
from tests.emulator.conftest import IMAGE
from tests.live_bridge import ROOT

if TYPE_CHECKING:
    from tests.emulator.harness import EmulatedHub

FLASHED_WITHIN_S = 900.0
NAME, OTHER_NAME = "counter-3", "counter-4"
PERCENT = re.compile(r"(\d+)%")
STARTS = "The hub starts; waiting for its greeting."

pytestmark = [pytest.mark.emulator, pytest.mark.asyncio(loop_scope="session")]


class Command:
    """`counterhub flash` at a terminal."""

    def __init__(self, hub: EmulatedHub, *arguments: str) -> None:
        from tests.emulator.harness import english_environment

        self.said = ""
        terminal, theirs = os.openpty()
        command = [sys.executable, "-m", "tests.emulator.command_in_chip_time", str(hub.directory / CLOCK_FILE)]
        self._process = subprocess.Popen(
            [*command, "flash", "--port", hub.port, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={**english_environment(), "COLUMNS": "100", "TERM": "xterm"},
            cwd=ROOT,
        )
        os.close(theirs)
        self._heard = threading.Condition()
        self._ended = False
        threading.Thread(target=self._listen, args=(terminal,)).start()

    async def finish(self) -> str:
        """Wait for a good end; what it said."""
        await asyncio.to_thread(self._wait, lambda: False)
        assert self._process.wait() == 0, self.said
        return self.said

    async def kill_when(self, seen: Callable[[str], bool]) -> None:
        """As the power of a technician's notebook fails."""
        await asyncio.to_thread(self._wait, lambda: seen(self.said))
        assert self._process.poll() is None, self.said
        self._process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._wait, lambda: False)
        self._process.wait()

    def _wait(self, seen: Callable[[], bool]) -> None:
        with self._heard:
            met = self._heard.wait_for(lambda: seen() or self._ended, FLASHED_WITHIN_S)
        assert met, self.said

    def _listen(self, terminal: int) -> None:
        try:
            while data := os.read(terminal, 1000):
                with self._heard:
                    self.said += data.decode(errors="replace")
                    self._heard.notify_all()
        except OSError:  # the other end of a terminal is closed
            return
        finally:
            os.close(terminal)
            with self._heard:
                self._ended = True
                self._heard.notify_all()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmulatedHub]:
    """A chip with MicroPython and nothing else."""
    from tests.emulator.harness import EmulatedHub

    hub = EmulatedHub(tmp_path_factory.mktemp("bare"), Path(IMAGE), speed=4)
    await hub.start()
    yield hub
    await hub.stop()


def laid(percent: int) -> Callable[[str], bool]:
    """So much of what it has to lay."""
    return lambda said: any(int(found) >= percent for found in PERCENT.findall(said))


async def test_killed_again_and_again_it_goes_on_and_makes_a_hub_that_greets(bare: EmulatedHub) -> None:
    await Command(bare, "--name", NAME).kill_when(lambda said: "Found Raspberry Pi Pico with RP2040" in said)
    await Command(bare, "--name", NAME).kill_when(laid(5))
    await Command(bare, "--name", NAME).kill_when(laid(50))

    said = await Command(bare, "--name", NAME).finish()

    assert f"Flashed: {NAME} (pico), firmware" in said and "It greets." in said and "100%" in said


async def test_given_again_it_does_nothing_and_the_hub_greets(bare: EmulatedHub) -> None:
    said = await Command(bare).finish()

    assert "The hub restarts for it." in said  # no button, no plug
    assert f"Nothing to do: {NAME} (pico) has firmware" in said and "It greets." in said


async def test_a_hub_whose_update_is_killed_is_made_whole_by_the_same_command(bare: EmulatedHub) -> None:
    await Command(bare, "--name", OTHER_NAME).kill_when(laid(1))  # what starts the hub has been taken away
    await Command(bare, "--name", OTHER_NAME).kill_when(lambda said: STARTS in said)

    said = await Command(bare, "--name", OTHER_NAME).finish()

    assert f"Nothing to do: {OTHER_NAME} (pico) has firmware" in said and "It greets." in said
