"""The bridge's side of the virtual hub: starts or finds the counter process, and asks it for things."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from host_bridge.events import Event, LightEvent, ReceiptEvent, VirtualFaultEvent
from host_bridge.interfaces.services import Receipt, Refused
from host_bridge.virtual.engine import chip_command, package_environment
from host_bridge.virtual.flash import find_firmware, lay_firmware
from host_bridge.virtual.micropython_vm.installation import EngineMissing
from host_bridge.virtual.options import Options
from host_bridge.virtual.server import Control, Start

DIRECTORY: Final = "virtual-hub"
START_DEADLINE_S: Final = 15.0
ATTACH_DEADLINE_S: Final = 10.0
ANSWER_DEADLINE_S: Final = 10.0
PICTURE_DEADLINE_S: Final = 30.0  # a receipt of metres takes a while to draw
STOP_DEADLINE_S: Final = 8.0
REQUESTS_LIMIT: Final = 64
ANSWER_LIMIT_BYTES: Final = 48 * 1024 * 1024  # a 16 MiB job in base64, with room
RESTART_FIRST_S: Final = 1.0
RESTART_MAX_S: Final = 30.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class VirtualHubError(Exception):
    """The counter process can't be started or doesn't answer; the text says what to do."""


class Channel:
    """One connection to a counter process. Used once."""

    def __init__(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        self.closed = asyncio.Event()
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def attach(self, control: Control) -> dict[str, Any]:
        """Connect and return the counter's hello. Raises OSError, TimeoutError or VirtualHubError."""
        async with asyncio.timeout(ATTACH_DEADLINE_S):
            reader, writer = await asyncio.open_connection(control.host, control.port, limit=ANSWER_LIMIT_BYTES)
            self._writer = writer
            writer.write(msgspec.json.encode({"token": control.token}) + b"\n")
            line = await reader.readline()
        if not line:
            writer.close()
            raise VirtualHubError("the virtual hub's process refused the connection")
        hello: dict[str, Any] = msgspec.json.decode(line)
        self._task = asyncio.create_task(self._read(reader))
        return hello

    async def ask(self, command: str, deadline_s: float = ANSWER_DEADLINE_S, **arguments: Any) -> Any:
        """Raises what the counter refused, or Refused(`virtual_hub_unavailable`)."""
        if self._writer is None or self.closed.is_set():
            raise Refused("virtual_hub_unavailable", "the virtual hub's process is gone; it is being started again")
        if len(self._waiting) >= REQUESTS_LIMIT:
            raise Refused("virtual_hub_unavailable", f"{REQUESTS_LIMIT} requests are waiting for the virtual hub")
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "command": command, "arguments": arguments}
        try:
            self._writer.write(msgspec.json.encode(request) + b"\n")
            return await asyncio.wait_for(answer, deadline_s)
        except TimeoutError:
            detail = f"the virtual hub did not answer {command} within {deadline_s:g} s"
            raise Refused("virtual_hub_unavailable", detail) from None
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._writer is not None:
            self._writer.close()
        self._end()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._take(msgspec.json.decode(line))
        except (OSError, ValueError, msgspec.DecodeError) as error:
            log.warning("the connection to the virtual hub broke: %s", error)
        finally:
            self._end()

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._on_event(message)
            return
        answer = self._waiting.get(message.get("id", 0))
        if answer is None or answer.done():
            return  # it came after its deadline
        if "error" in message:
            answer.set_exception(Refused(message["error"]["code"], message["error"]["detail"]))
        else:
            answer.set_result(message.get("result"))

    def _end(self) -> None:
        self.closed.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Refused("virtual_hub_unavailable", "the virtual hub's process ended"))


class VirtualHub:
    """services.VirtualCounter, and the life of the process behind it.

    `on_event` gets LightEvent, ReceiptEvent and VirtualFaultEvent; `on_restart` each start of the simulated hub
    (`PWRON_RESET`, `WDT_RESET`, ...) and `counter` when the whole counter process had to be started again.
    """

    _start_deadline_s = START_DEADLINE_S

    def __init__(
        self, on_event: Callable[[Event], None] | None = None, on_restart: Callable[[str], None] | None = None
    ) -> None:
        self._on_event = on_event or (lambda event: None)
        self._on_restart = on_restart or (lambda cause: None)
        self._channel: Channel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._start: Start | None = None
        self._faults: dict[str, bool] = {}
        self._port = self._backup_port = ""
        self._stopping = False

    @property
    def port(self) -> str:
        """What pyserial opens: a path, or `socket://...`. Known after :meth:`start`."""
        return self._port

    @property
    def backup_port(self) -> str:
        """The same of the backup path, where the options have one."""
        return self._backup_port

    async def start(
        self,
        state_dir: Path,
        *,
        board: dict[str, Any],
        options: Options | None = None,
        firmware: Path | None = None,
    ) -> None:
        """Attach to the running counter of this state directory, or start one. Raises VirtualHubError.

        A running counter with other firmware, board or options is replaced.
        """
        options = Options() if options is None else options
        directory = (state_dir / DIRECTORY).resolve()
        try:
            firmware = await asyncio.to_thread(find_firmware) if firmware is None else firmware
            await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
            fingerprint = await asyncio.to_thread(_fingerprint, firmware, directory, board, options)
            await asyncio.to_thread(chip_command, options.engine, directory / "flash")
        except EngineMissing as error:
            raise VirtualHubError(str(error)) from error
        except OSError as error:
            raise VirtualHubError(f"the virtual hub's files can't be written to {directory}: {error}") from error
        await self._begin(Start(str(directory), fingerprint, options))

    async def stop(self) -> None:
        """End the counter process: a clean stop takes the virtual hub along."""
        await self._leave(shutdown=True)
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(_reap, process)

    async def detach(self) -> None:
        """Go away and leave the hub running, as a killed bridge does; it ends by itself after a while."""
        await self._leave(shutdown=False)
        self._process = None

    async def scan(self, data: str, symbology: str | None) -> None:
        await self._ask("scan", data=data, symbology=symbology)

    async def set_fault(self, fault: str, active: bool) -> None:
        await self._ask("set_fault", fault=fault, active=active)
        self._faults[fault] = active

    def faults(self) -> dict[str, bool]:
        return dict(self._faults)

    async def close_drawer(self) -> None:
        await self._ask("close_drawer")

    async def set_button(self, pressed: bool) -> None:
        """Hold or let go the hub's safe-mode button."""
        await self._ask("set_button", pressed=pressed)

    async def receipts(self) -> list[Receipt]:
        return msgspec.convert(await self._ask("receipts"), list[Receipt])

    async def receipt_png(self, n: int) -> bytes | None:
        answer = await self._ask("receipt_png", PICTURE_DEADLINE_S, n=n)
        return msgspec.convert(answer, bytes | None)

    async def receipt_bytes(self, n: int) -> bytes | None:
        return msgspec.convert(await self._ask("receipt_bytes", PICTURE_DEADLINE_S, n=n), bytes | None)

    async def drawer_state(self, drawer: int = 1) -> dict[str, Any]:
        """`closed`, `opened` (times), `energised`, `solenoid_overheated` (times), `pulses` ([start, length] in ms)."""
        return msgspec.convert(await self._ask("drawer_state", drawer=drawer), dict[str, Any])

    async def lights(self) -> list[tuple[int, str]]:
        """The LED's newest light changes: (ms since the counter's start, #rrggbb)."""
        return msgspec.convert(await self._ask("lights"), list[tuple[int, str]])

    async def statistics(self) -> dict[str, Any]:
        """`boots` ([ms, cause]), `chip_pid`, bytes carried and dropped, `wakeups` of the process."""
        return msgspec.convert(await self._ask("statistics"), dict[str, Any])

    async def _begin(self, start: Start) -> None:
        """Attach to the counter that runs or start one, and keep one running. Raises VirtualHubError."""
        self._start = start
        if not await self._attach_running():
            await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    def _process_of(self, start: Start) -> tuple[str, bytes]:
        """The module that is the counter process, and what it reads from its standard input."""
        return "host_bridge.virtual", msgspec.json.encode(start)

    async def _ask(self, command: str, deadline_s: float = ANSWER_DEADLINE_S, **arguments: Any) -> Any:
        if self._channel is None:
            raise Refused("virtual_hub_unavailable", "the virtual hub is not running")
        return await self._channel.ask(command, deadline_s, **arguments)

    async def _leave(self, *, shutdown: bool) -> None:
        self._stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        channel, self._channel = self._channel, None
        if channel is not None:
            if shutdown:
                await _shut_down(channel)
            await channel.close()

    async def _attach_running(self) -> bool:
        """Attach to a counter that runs already, if it runs the right thing."""
        assert self._start is not None
        path = Path(self._start.directory) / "control.json"
        channel = Channel(self._take)
        try:
            control = msgspec.json.decode(await asyncio.to_thread(path.read_bytes), type=Control)
            hello = await channel.attach(control)
        except FileNotFoundError:
            return False
        except (OSError, TimeoutError, VirtualHubError, msgspec.DecodeError) as error:
            log.info("no virtual hub behind %s (%r); starting one", path, error)
            return False
        if control.fingerprint != self._start.fingerprint:
            log.info("the running virtual hub has other firmware or settings; it is replaced")
            await _shut_down(channel)
            await channel.close()
            return False
        log.info("attached to the running virtual hub, process %d", control.pid)
        self._attached(channel, hello)
        return True

    async def _spawn(self) -> None:
        """Start a counter process of its own, which outlives this one if it must. Raises VirtualHubError."""
        assert self._start is not None
        log_file = Path(self._start.directory) / "counter.log"
        self._process = await asyncio.to_thread(_popen, self._start.directory, *self._process_of(self._start))
        try:
            ready = await asyncio.wait_for(asyncio.to_thread(_wait_ready, self._process), self._start_deadline_s)
        except TimeoutError:
            self._process.kill()
            ready = False
        if not ready:
            raise VirtualHubError(f"the virtual hub did not start; see {log_file}")
        if not await self._attach_running():
            raise VirtualHubError(f"the virtual hub started but can't be reached; see {log_file}")

    def _attached(self, channel: Channel, hello: dict[str, Any]) -> None:
        self._channel = channel
        self._port, self._backup_port = hello["address"], hello["backup_address"]
        self._faults = dict(hello["faults"])

    async def _keep(self) -> None:
        """Start the counter again whenever it is gone without having been told."""
        pause_s = RESTART_FIRST_S
        while True:
            assert self._channel is not None
            await self._channel.closed.wait()
            log.error("the virtual hub's process is gone; starting it again")
            if self._process is not None:
                await asyncio.to_thread(_reap, self._process)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RESTART_MAX_S)
            try:
                if not await self._attach_running():
                    await self._spawn()
            except VirtualHubError as error:
                log.error("%s", error)
                continue
            self._on_restart("counter")

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["event"]
        if kind == "light":
            self._on_event(LightEvent(colour=message["colour"], at_ms=message["at_ms"]))
        elif kind == "receipt":
            self._on_event(ReceiptEvent(n=message["n"]))
        elif kind == "virtual_fault":
            self._faults[message["fault"]] = message["active"]
            self._on_event(VirtualFaultEvent(fault=message["fault"], active=message["active"]))
        elif kind == "restart":
            log.info("the virtual hub started: %s", message["cause"])
            self._on_restart(message["cause"])


def _fingerprint(firmware: Path, directory: Path, board: dict[str, Any], options: Options) -> str:
    return f"{lay_firmware(firmware, directory / 'flash', board)}-{msgspec.json.encode(options).hex()}"


async def _shut_down(channel: Channel) -> None:
    """Tell a counter to end, and wait until it has."""
    try:
        await channel.ask("shutdown")
        await asyncio.wait_for(channel.closed.wait(), STOP_DEADLINE_S)
    except (Refused, TimeoutError) as error:
        log.warning("the virtual hub did not end in time: %r", error)


def _popen(directory: str, module: str, told: bytes) -> subprocess.Popen[bytes]:
    options: dict[str, Any] = (
        {"creationflags": 0x00000008 | 0x00000200}  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
        if sys.platform == "win32"
        else {"start_new_session": True}  # Ctrl-C at the bridge's terminal is for the bridge
    )
    process = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=package_environment(),
        cwd=directory,
        **options,
    )
    assert process.stdin is not None
    process.stdin.write(told)
    process.stdin.close()
    return process


def _wait_ready(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout is not None
    with process.stdout:
        return process.stdout.readline() == b"ready\n"


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end, by force if need be."""
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_DEADLINE_S)
