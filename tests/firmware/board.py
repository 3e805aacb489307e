"""A board in virtual time: the hub's own modules, run by CPython, on simulated pins, UARTs, timers and watchdog.

The firmware's modules are loaded anew for each life of the hub, with stand-ins for MicroPython's `machine`, `time` and
`asyncio`. A life that ends just stops: its tasks never run on, its timers are gone, its pins keep their level.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import random
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

from tests.firmware import dma
from tests.firmware.files import Files
from tests.firmware.virtual_time import the_loop

TICKS_MASK = 0x3FFFFFFF
TICKS_HALF = 0x20000000
PWRON_RESET, HARD_RESET, WDT_RESET, SOFT_RESET = 1, 2, 3, 5
PINS, UARTS = 30, 3
LED = 99  # the level of the board's own LED, among the pins'
PUMP_S = 0.001
FIFO_BYTES = 32  # of a UART
BUSY_PUMP_S = 0.005  # how soon a device that takes nothing is asked again
MODULES = ["app", "drawer", "kick_pins", "kick_printer", "printer", "scanner", "start_only", "technician"]
MODULES += ["sent_feeder", "uart_feeder"]


class Changes:
    """Who waits for something to be there."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Future[None]] = set()

    async def changed(self) -> None:
        watcher = the_loop().create_future()
        self._watchers.add(watcher)
        try:
            await watcher
        finally:
            self._watchers.discard(watcher)

    def tell(self) -> None:
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)


class Line(Changes):
    """One UART's wires. `take` gets what the hub sends, as fast as `bytes_per_s` and `room` allow."""

    def __init__(self, board: Board, number: int) -> None:
        super().__init__()
        self._board = board
        self.number = number
        self.rx = bytearray()  # on their way to the hub
        self.tx = bytearray()
        self.sent = bytearray()  # all that left the hub
        self.lost = 0
        self.bytes_per_s = 300_000
        self.rx_limit = self.tx_limit = 4096
        self.room: Callable[[], int] = lambda: 1 << 30
        self.take: Callable[[bytes], None] = lambda data: None
        self.on_break: Callable[[], object] = lambda: None
        self._pumping = False
        self._dma: dma.Channel | None = None

    def push(self, data: bytes) -> None:
        """Bytes for the hub; what its buffer can't hold is lost."""
        room = self.rx_limit - len(self.rx)
        self.lost += max(0, len(data) - room)
        self.rx += data[:room]
        self.tell()

    def write(self, data: bytes) -> int:
        taken = bytes(data[: self.tx_limit - len(self.tx)])
        self.tx += taken
        self._start()
        return len(taken)

    def feed_by(self, channel: dma.Channel | None) -> None:
        """From now on it gives what there is room for."""
        self._dma = channel
        self._fill(FIFO_BYTES)
        self._start()

    def clear_tx(self) -> None:
        self.tx.clear()
        self.tell()

    def _start(self) -> None:
        if not self._pumping and self.tx:
            self._pumping = True
            the_loop().call_later(PUMP_S, self._pump)

    def _fill(self, size: int) -> None:
        while self._dma and len(self.tx) < size and (data := self._dma.take(size - len(self.tx))):
            self.tx += data
            self._dma.tell_end()

    def _pump(self) -> None:
        wanted = min(self.room(), max(1, int(self.bytes_per_s * PUMP_S)))
        self._fill(wanted)
        count = min(len(self.tx), wanted)
        if count > 0:
            data = bytes(self.tx[:count])
            del self.tx[:count]
            self.sent += data
            self.take(data)
            self.tell()
        self._fill(FIFO_BYTES)
        self._pumping = bool(self.tx)
        if self._pumping:
            the_loop().call_later(PUMP_S if count > 0 else BUSY_PUMP_S, self._pump)


class Board:
    """Pins, lines, memory over a reset, watchdog; and the hub's present life, if it has power."""

    def __init__(self, config: dict[str, Any] | None = None, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.ticks_offset = 0
        self.levels: dict[int, int] = {}
        self.interrupts: dict[int, Callable[[int], object]] = {}
        self.interrupted = 0  # how often a pin's handler ran
        self.edges: dict[int, list[tuple[int, float]]] = {}  # pin → (level, seconds)
        self.lines: dict[int, Line] = {}
        self.rtc = b""
        self.has_led = True
        self.pins = PINS
        self.platform = "rp2"
        self.version: tuple[int | str, ...] = (1, 28, 0, "")  # of MicroPython
        self.adapt: Callable[[Any, Life], None] = lambda machine, life: None  # make `machine` that of one port
        self.modules: dict[str, types.ModuleType] = {}  # that only one port has
        self.files = Files()
        if config is not None:
            self.files.texts["board.json"] = json.dumps(config)
        self.resets: list[int] = []  # causes of the starts
        self.life: Life | None = None
        self.on_start: Callable[[], None] = lambda: None

    def line(self, number: int) -> Line:
        if number not in self.lines:
            self.lines[number] = Line(self, number)
        return self.lines[number]

    def start(self, cause: int = PWRON_RESET) -> Any:
        """Boot, as boot.py and main.py do; returns the hub."""
        self.end()
        self.resets.append(cause)
        life = self.life = Life(self, cause)
        self.on_start()
        life.module("board").drive_to_rest()
        life.module("survival").count_boot()
        with life.in_place():
            life.hub = life.module("app").make_hub()
        life.hub.run()
        return life.hub

    def end(self) -> None:
        """Stop dead, wherever the program is."""
        if self.life:
            self.life.end()
            self.life = None
            for line in self.lines.values():
                line.rx.clear()
                line.tx.clear()
                line.feed_by(None)

    def power_off(self) -> None:
        self.end()
        self.rtc = b""
        for pin in self.levels:
            self.set_level(pin, 0)

    def restart(self, cause: int) -> None:
        the_loop().call_soon(self.start, cause)

    def set_level(self, pin: int, level: int) -> None:
        if self.levels.get(pin) != level:
            self.levels[pin] = level
            self.edges.setdefault(pin, []).append((level, the_loop().time()))
            if pin in self.interrupts:
                self.interrupts[pin](level)

    def pulses(self, pin: int) -> list[tuple[float, float]]:
        """(begin, end) of each high pulse, in seconds."""
        found, begin = [], None
        for level, at in self.edges.get(pin, []):
            if level:
                begin = at
            elif begin is not None:
                found.append((begin, at))
                begin = None
        return found


class Life:
    """One life of the hub: its own copies of the modules, its tasks and timers."""

    def __init__(self, board: Board, cause: int) -> None:
        self.board = board
        self.cause = cause
        self.alive = True
        self.hub: Any = None
        self.tasks: list[asyncio.Task[Any]] = []
        self.printed: list[str] = []
        self.collections: list[int] = []  # when garbage was collected on purpose
        self.scope: dict[str, Any] = {}  # the names that main.py left
        self._calls: list[asyncio.TimerHandle] = []
        self._modules: dict[str, types.ModuleType] = {}
        self._modules = self._load()
        self.module("app").os = types.SimpleNamespace(urandom=board.random.randbytes)
        survival = self.module("survival")
        survival.sys = types.SimpleNamespace(print_exception=self._print_exception, implementation=sys.implementation)
        for name in ("transport", "kick_pins"):
            implementation = types.SimpleNamespace(version=board.version)
            self.module(name).sys = types.SimpleNamespace(platform=board.platform, implementation=implementation)
        if board.platform == "rp2":
            self.module("uart_dma").sys = types.SimpleNamespace(implementation=dma.Rp2040)
        for name in ("board", "survival"):
            module: Any = self.module(name)
            module.open, module.os = board.files.open, board.files

    def module(self, name: str) -> Any:
        return self._modules["hub." + name]

    @property
    def machine(self) -> types.ModuleType:
        return self._stand_ins["machine"]

    def end(self) -> None:
        self.alive = False
        for call in self._calls:
            call.cancel()

    def ticks_ms(self) -> int:
        return (int(round(the_loop().time() * 1000, 3)) + self.board.ticks_offset) & TICKS_MASK

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        self._calls = [call for call in self._calls if not call.cancelled() and call.when() >= the_loop().time()]
        call = the_loop().call_later(delay_s, callback)
        self._calls.append(call)
        return call

    def start_task(self, coroutine: Any) -> asyncio.Task[Any]:
        task = the_loop().create_task(coroutine)
        task.of_a_hub = True  # type: ignore[attr-defined]
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.tasks.append(task)
        return task

    async def _park_if_dead(self) -> None:
        if not self.alive:
            await the_loop().create_future()

    async def sleep_ms(self, span_ms: float) -> None:
        await asyncio.sleep(max(0, span_ms) / 1000)
        await self._park_if_dead()

    def pass_ms(self, span_ms: float) -> None:
        """`time.sleep_ms`: nothing else goes on meanwhile, so the chip's clock is moved."""
        self.board.ticks_offset += int(span_ms)

    @staticmethod
    def _print_exception(error: BaseException, file: io.StringIO | None = None) -> None:
        (file or io.StringIO()).write("".join(traceback.format_exception_only(error)))

    # -- the stand-ins -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_place(self) -> Iterator[dict[str, types.ModuleType]]:
        """The firmware and the stand-ins as what `import` finds, leaving no trace in sys.modules; yields the latter."""
        stand_ins, ours = self._stand_ins, self._stand_ins | self._modules
        aside = {name: module for name, module in sys.modules.items() if name in stand_ins or _is_firmware(name)}
        for name in aside:
            del sys.modules[name]
        sys.modules.update(ours)
        try:
            yield stand_ins
        finally:
            for name in [name for name in sys.modules if name in stand_ins or _is_firmware(name)]:
                del sys.modules[name]
            sys.modules.update(aside)

    def _load(self) -> dict[str, types.ModuleType]:
        """Import the firmware."""
        self._stand_ins = {"machine": self._machine(), "time": self._time(), "asyncio": self._asyncio()}
        self._stand_ins["micropython"] = micropython()
        self._stand_ins["gc"] = self._gc()
        names = [*MODULES]
        if self.board.platform == "rp2":
            self._stand_ins["rp2"] = dma.rp2(self)
            names.append("uart_dma")
        self._stand_ins |= self.board.modules
        with self.in_place():
            for name in names:
                importlib.import_module("hub." + name)
            return {name: module for name, module in sys.modules.items() if _is_firmware(name)}

    def _gc(self) -> types.ModuleType:
        """A real collection looks at all that the tests hold."""
        module = types.ModuleType("gc")
        module.collect = lambda: self.collections.append(self.ticks_ms())  # type: ignore[attr-defined]
        return module

    def _time(self) -> types.ModuleType:
        module = types.ModuleType("time")
        module.ticks_ms = self.ticks_ms  # type: ignore[attr-defined]
        module.ticks_add = lambda ticks, delta: (ticks + delta) & TICKS_MASK  # type: ignore[attr-defined]
        module.ticks_diff = _ticks_diff  # type: ignore[attr-defined]
        return module

    def _asyncio(self) -> types.ModuleType:
        module: Any = types.ModuleType("asyncio")
        module.Event, module.CancelledError = asyncio.Event, asyncio.CancelledError
        module.sleep_ms = self.sleep_ms
        module.create_task = module.run = self.start_task
        module.current_task = _current_task
        module.StreamReader = module.StreamWriter = lambda uart, extra=None: Stream(self, uart)
        return module

    def _machine(self) -> types.ModuleType:
        life = self

        class UART(Uart):
            def __init__(self, number: int, **options: Any) -> None:
                if number not in range(UARTS):
                    raise ValueError(f"UART({number}) doesn't exist")
                super().__init__(life, life.board.line(number), options)

        class OfThisLife:
            """Binds a class to the life."""

        module: Any = types.ModuleType("machine")
        module.UART = UART
        module.Pin = type("Pin", (Pin, OfThisLife), {"life": life})
        module.Timer = type("Timer", (Timer, OfThisLife), {"life": life})
        module.WDT = type("WDT", (Watchdog, OfThisLife), {"life": life})
        module.RTC = type("RTC", (Rtc, OfThisLife), {"life": life})
        module.reset_cause = lambda: life.cause
        module.reset = self._reset
        module.unique_id = lambda: b"\x01HUB"
        for name in ("PWRON_RESET", "HARD_RESET", "WDT_RESET", "SOFT_RESET"):
            setattr(module, name, globals()[name])
        self.board.adapt(module, self)
        return module

    def _reset(self) -> None:
        """Never returns, as the real one."""
        self.end()
        self.board.restart(HARD_RESET)
        raise asyncio.CancelledError


class Pin:
    IN, OUT, PULL_UP, PULL_DOWN = 0, 1, 2, 3
    IRQ_FALLING, IRQ_RISING = 4, 8
    life: Life

    def __init__(self, number: Any, mode: int = IN, pull: int = -1, value: int | None = None) -> None:
        board = self.life.board
        if number not in range(board.pins) and not (number == "LED" and board.has_led):
            raise ValueError("invalid pin")
        self._number = LED if number == "LED" else number
        self._out = mode == self.OUT
        if self._out and value is not None:
            self.value(value)
        elif not self._out:
            board.levels.setdefault(number, 1 if pull == self.PULL_UP else 0)

    def value(self, level: int | None = None) -> int | None:
        board = self.life.board
        if level is None:
            return board.levels.get(self._number, 0)
        if self.life.alive:
            board.set_level(self._number, level)
        return None

    def irq(self, handler: Callable[[Any], object] | None, trigger: int = 0, *, hard: bool = False) -> None:
        def edge(level: int) -> None:
            if self.life.alive and handler and trigger & (self.IRQ_RISING if level else self.IRQ_FALLING):
                self.life.board.interrupted += 1
                handler(self)

        self.life.board.interrupts[self._number] = edge


class Timer:
    ONE_SHOT, PERIODIC = 0, 1
    life: Life

    def __init__(self, number: int = -1) -> None:
        self._call: asyncio.TimerHandle | None = None

    def init(self, *, mode: int, period: int, callback: Callable[[Any], object], hard: bool = False) -> None:
        if self._call:
            self._call.cancel()

        def fire() -> None:
            if self.life.alive:
                if mode == self.PERIODIC:
                    self._call = self.life.call_later(period / 1000, fire)
                callback(self)

        self._call = self.life.call_later(period / 1000, fire)


class RingIO:
    """A ring that an interrupt may write to."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = bytearray()
        self.line = Changes()

    def any(self) -> int:
        return len(self._held)

    def write(self, data: bytes) -> int:
        taken = data[: self._size - len(self._held)]
        self._held += taken
        self.line.tell()
        return len(taken)

    def readinto(self, buffer: bytearray) -> int:
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        del self._held[:count]
        return count


def micropython() -> types.ModuleType:
    """MicroPython's own module, as far as devices use it."""
    module: Any = types.ModuleType("micropython")
    module.RingIO = RingIO
    module.const = lambda value: value
    return module


class Watchdog:
    life: Life

    def __init__(self, timeout: int) -> None:
        self._timeout_s = timeout / 1000
        self._call: asyncio.TimerHandle | None = None
        self.feed()

    def feed(self) -> None:
        if self._call:
            self._call.cancel()
        self._call = self.life.call_later(self._timeout_s, self._bite)

    def _bite(self) -> None:
        if self.life.alive:
            self.life.board.start(WDT_RESET)


class Rtc:
    life: Life

    def memory(self, data: bytes | None = None) -> bytes | None:
        if data is None:
            return self.life.board.rtc
        if self.life.alive:
            self.life.board.rtc = bytes(data)
        return None


class Uart:
    CTS = 2
    IRQ_BREAK = 0x200

    def __init__(self, life: Life, line: Line, options: dict[str, Any]) -> None:
        self.life, self.line = life, line
        self._set(options)

    def _set(self, options: dict[str, Any]) -> None:
        self.line.rx_limit = options.get("rxbuf", 256)
        self.line.tx_limit = options.get("txbuf", 256)

    def init(self, **options: Any) -> None:
        if self.life.alive:
            self._set(options)
            self.line.clear_tx()

    def deinit(self) -> None:
        self.line.clear_tx()

    def irq(self, handler: Callable[[Any], object], trigger: int) -> None:
        assert trigger == self.IRQ_BREAK
        self.line.on_break = lambda: handler(self) if self.life.alive else None

    def any(self) -> int:
        return len(self.line.rx)

    def readinto(self, buffer: bytearray, limit: int | None = None) -> int | None:
        count = min(len(buffer) if limit is None else limit, len(self.line.rx))
        if not count:
            return None
        buffer[:count] = self.line.rx[:count]
        del self.line.rx[:count]
        return count

    def write(self, data: bytes) -> int | None:
        return (self.line.write(data) or None) if self.life.alive else len(data)

    def txdone(self) -> bool:
        return not self.line.tx


class Stream:
    """MicroPython's StreamReader and StreamWriter, as far as the firmware uses them."""

    def __init__(self, life: Life, uart: Any) -> None:
        self._life, self._uart = life, uart
        self._out = b""

    async def readinto(self, buffer: bytearray) -> int | None:
        await asyncio.sleep(0)
        await self._life._park_if_dead()
        while not self._uart.any():
            await self._uart.line.changed()
            await self._life._park_if_dead()
        return self._uart.readinto(buffer)

    def write(self, data: bytes) -> None:
        if not self._out:
            data = data[self._uart.write(data) or 0 :]
        self._out += data

    async def drain(self) -> None:
        await asyncio.sleep(0)
        while self._out:
            await self._life._park_if_dead()
            self._out = self._out[self._uart.write(self._out) or 0 :]
            if self._out:
                await self._uart.line.changed()
        await self._life._park_if_dead()


class Uplink:
    """Stands for hub.uplink where one device is tried: what it says is kept, and the test speaks for the bridge."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.granted: list[int] = []
        self.is_up = True
        self.room = 1 << 30  # messages
        self._handlers: dict[str, Callable[..., None]] = {}
        self._devices: list[Any] = []

    def on(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers[name] = handler

    def attach(self, device: Any) -> None:
        self._devices.append(device)

    def send(self, name: str, *values: Any) -> bool:
        if not self.is_up or self.room <= 0:
            return False
        self.room -= 1
        self.said.append((name, *values))
        return True

    def grant(self, channel: int, count: int = 1) -> None:
        self.granted += [channel] * count

    def say(self, name: str, *values: Any) -> None:
        """The bridge says something."""
        self._handlers[name](*values)

    def up(self) -> None:
        self.is_up = True
        for device in self._devices:
            device.link_up()

    def down(self) -> None:
        self.is_up = False
        for device in self._devices:
            device.link_down()

    def writable(self, channel: int) -> None:
        self.room = 1 << 30
        for device in self._devices:
            device.link_writable(channel)

    def heard(self, name: str) -> list[tuple[Any, ...]]:
        """The values of all messages of that name."""
        return [message[1:] for message in self.said if message[0] == name]


class Bench:
    """One device of the hub on its own: `link` speaks for the bridge, `board` for the world."""

    def __init__(
        self,
        cause: int = PWRON_RESET,
        ticks_offset: int = 0,
        adapt: Callable[[Any, Life], None] | None = None,
    ) -> None:
        self.board = Board({"name": "bench", "link": {}})
        self.board.ticks_offset = ticks_offset
        self.board.adapt = adapt or self.board.adapt
        self.life = self.board.life = Life(self.board, cause)
        self.link = Uplink()
        self.faults = self.life.module("faults").Faults()
        self.blips = 0

    def run(self, *tasks: Callable[[Any], Any]) -> list[Account]:
        """Start the device's tasks."""
        accounts = []
        for task in tasks:
            account = Account()
            accounts.append(account)
            account.task = self.life.start_task(task(account))
        return accounts

    def blip(self) -> None:
        self.blips += 1

    @property
    def fault_codes(self) -> set[str]:
        by_number = {entry[0]: entry[1] for entry in self.life._modules["hublink.fault_table"].FAULTS}
        return {by_number[number] for number in self.faults.active}


class Account:
    """Stands for a task's account with the supervisor."""

    def __init__(self) -> None:
        self.step: str | None = None
        self.works = 0
        self.task: asyncio.Task[Any] | None = None

    def work(self, step: str) -> None:
        self.step = step
        self.works += 1

    def rest(self) -> None:
        self.step = None


def _is_firmware(name: str) -> bool:
    return name.split(".", 1)[0] in ("hub", "hublink")


def _current_task() -> asyncio.Task[Any]:
    """Raises RuntimeError where none has its turn, as MicroPython does."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("no running event loop")
    return task


def _ticks_diff(end: int, start: int) -> int:
    return ((end - start + TICKS_HALF) & TICKS_MASK) - TICKS_HALF
