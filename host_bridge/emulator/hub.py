"""The bridge's side of an emulated Pico: a virtual hub whose chip executes a MicroPython image.

Theory of operation: the image and a file system live in `flash.bin` of a folder of their own. `prepare` lays the
firmware there once, as `counterhub flash` does on a board, with the safe-mode button held down; it notes in `laid`
what it laid. Then the bridge runs on the chip's port, in the chip's time (see bridge_time.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from filelock import FileLock, Timeout

from host_bridge.boards import files
from host_bridge.emulator.bridge_time import ChipClock
from host_bridge.emulator.image import PicoImage, read_image
from host_bridge.emulator.start import CLOCK_FILE, FLASH_FILE, EmulatorStart
from host_bridge.flash import payload
from host_bridge.flash.errors import FlashError
from host_bridge.flash.install import Plan, Progress, install
from host_bridge.flash.prompt import Prompt, open_prompt
from host_bridge.state import Text
from host_bridge.virtual.control import VirtualHubError
from host_bridge.virtual.drills import DrillHub
from host_bridge.virtual.options import Options
from host_bridge.virtual.server import Start

__all__ = ("EmulatedHub", "claimed", "clock_file", "is_laid", "prepare", "read_image")

DIRECTORY: Final = "emulated-pico"
LAID_FILE: Final = "laid"
BOARD: Final = "pico"
HUB_NAME: Final = "emulated-pico"
SCANNER_SENSE_PIN: Final = 6  # free on the Pico's board file, which leaves this wire out
START_DEADLINE_S: Final = 60.0
PROMPT_AFTER_S: Final = 2.0  # of the chip's time, from its start
PROMPT_DEADLINE_S: Final = 180.0
POLL_S: Final = 0.05
LAY_ATTEMPTS: Final = 4  # each goes on from where the last one came

Tell = Callable[[Text], None]


def board() -> dict[str, Any]:
    """The Pico's board file as it is laid on the hub, with the scanner's sense wire."""
    values = files.board_file(files.read(BOARD).text, hub_name=HUB_NAME)
    values["scanner"]["sense"] = SCANNER_SENSE_PIN
    return values


def folder(state_dir: Path) -> Path:
    """Where an emulated Pico's files are."""
    return (state_dir / DIRECTORY).resolve()


def clock_file(state_dir: Path) -> Path:
    """Where an emulated Pico writes what time it has."""
    return folder(state_dir) / CLOCK_FILE


class EmulatedHub(DrillHub):
    """services.VirtualCounter around an emulated Pico. `speed`: how many times faster than the world it may idle."""

    _start_deadline_s = START_DEADLINE_S
    _image: PicoImage
    _speed: float

    async def start_pico(
        self, state_dir: Path, image: PicoImage, options: Options | None = None, speed: float = 1.0
    ) -> None:
        """Attach to the emulated Pico of this state directory, or give one power. Raises VirtualHubError."""
        self._image, self._speed = image, speed
        directory = folder(state_dir)
        options = Options() if options is None else options
        parts = (image.sha256, json.dumps(board(), sort_keys=True), msgspec.json.encode(options).hex(), str(speed))
        try:
            await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise VirtualHubError(f"the emulated Pico's files can't be written to {directory}: {error}") from error
        await self._begin(Start(str(directory), "-".join(parts), options))

    async def press_reset(self) -> None:
        """The board's reset button."""
        await self._ask("press_reset")

    def _process_of(self, start: Start) -> tuple[str, bytes]:
        told = EmulatorStart(start, str(self._image.path), board(), self._speed)
        return "host_bridge.emulator", msgspec.json.encode(told)


@contextlib.contextmanager
def claimed(state_dir: Path) -> Iterator[None]:
    """One run at a time on a state directory: laying the firmware takes the hub away. Raises FlashError, OSError."""
    directory = folder(state_dir)
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FlashError(
            Text(
                f"another counterhub run uses the emulated Pico of {state_dir}",
                f"另一个 counterhub run 正在使用 {state_dir} 的模拟 Pico",
            ),
            Text("Use it, stop it, or give another --state-dir.", "请使用它、停止它，或换一个 --state-dir。"),
        ) from None
    try:
        yield
    finally:
        lock.release()


def is_laid(state_dir: Path, image: PicoImage) -> bool:
    """The firmware of this very version is in the Pico's flash."""
    directory = folder(state_dir)
    try:
        return (directory / FLASH_FILE).is_file() and (directory / LAID_FILE).read_text() == _digest(image)
    except OSError:
        return False


async def prepare(state_dir: Path, image: PicoImage, tell: Tell, progress: Progress) -> Plan:
    """Lay the firmware on the Pico, only what changed. May be interrupted and given again.

    Raises FlashError, VirtualHubError, OSError.
    """
    directory = folder(state_dir)
    (directory / LAID_FILE).unlink(missing_ok=True)
    _forget_other_image(directory, image)
    tell(Text("Compiling the firmware.", "正在编译固件。"))
    wanted = [*await asyncio.to_thread(payload.firmware_files), payload.board_json(board())]
    hub = EmulatedHub()
    tell(Text("Starting the emulated Pico.", "正在启动模拟的 Pico。"))
    await hub.start_pico(state_dir, image)
    stopping = threading.Event()
    try:
        for left in reversed(range(LAY_ATTEMPTS)):
            await hub.set_button(True)  # it gives the prompt, whatever is laid
            await hub.press_reset()
            tell(Text("Laying the firmware on it, by mpremote.", "正在通过 mpremote 写入固件。"))
            clock = ChipClock(clock_file(state_dir))
            try:
                done = await asyncio.to_thread(_lay, hub, clock, wanted, progress, stopping)
                break
            except FlashError as error:  # mpremote waits 10 s for an answer, which a busy machine's chip may miss
                if not left:
                    raise
                tell(error.reason)
    finally:
        stopping.set()
        await hub.stop()  # it keeps its flash before it goes
    (directory / LAID_FILE).write_text(_digest(image))
    return done


def _lay(
    hub: EmulatedHub, clock: ChipClock, wanted: list[payload.LaidFile], progress: Progress, stopping: threading.Event
) -> Plan:
    with _prompt(hub.port, clock, stopping) as prompt:
        prompt.identify()
        return install(prompt, wanted, progress)


def _prompt(port: str, clock: ChipClock, stopping: threading.Event) -> Prompt:
    """The prompt, as soon as the slow chip shows it."""
    until = time.monotonic() + PROMPT_DEADLINE_S
    since_s = clock.seconds()
    while time.monotonic() < until and not stopping.is_set():
        started = clock.seconds() - since_s >= PROMPT_AFTER_S and os.path.exists(port)
        if started and (prompt := open_prompt(port)) is not None:
            return prompt
        stopping.wait(POLL_S)
    raise FlashError(
        Text(
            f"the emulated Pico showed no MicroPython prompt within {PROMPT_DEADLINE_S:g} s",
            f"模拟的 Pico 在 {PROMPT_DEADLINE_S:g} 秒内没有出现 MicroPython 提示符",
        ),
        Text(
            "Is the image MicroPython's for the Raspberry Pi Pico, 1.24 or later? Is this machine very busy?",
            "镜像是树莓派 Pico 的 MicroPython 1.24 或更高版本吗？本机是否过于繁忙？",
        ),
    )


def _forget_other_image(directory: Path, image: PicoImage) -> None:
    """Another MicroPython begins with an empty file system."""
    mark = directory / "image"
    if not mark.exists() or mark.read_text() != image.sha256:
        (directory / FLASH_FILE).unlink(missing_ok=True)
        mark.write_text(image.sha256)


def _digest(image: PicoImage) -> str:
    """Of the image, the firmware's sources and the board file."""
    return hashlib.sha256(f"{image.sha256} {payload.sources_digest()} {board()}".encode()).hexdigest()
