"""The simulated `machine` module of MicroPython, as far as a counter hub uses it.

Modelled: Pin, UART, WDT, Timer, RTC, PWM, resets. Written after MicroPython 1.24-1.28; constants as on the rp2 port,
reset causes as on the esp32 port.
"""

from __future__ import annotations

import threading
import time
import types
from collections.abc import Callable
from typing import Any, Final, NoReturn

import msgspec

from host_bridge.virtual import wires
from host_bridge.virtual.edge import Edge

PINS: Final = 30
UARTS: Final = 4
RING_DEFAULT_BYTES: Final = 256
RING_MIN_BYTES: Final = 32
RING_MAX_BYTES: Final = 32766  # rp2 takes no more
IDLE_AFTER_S: Final = 0.010  # bytes come in slices of up to 4 ms, so a real chip's 2 characters would fire too often
HELD_UP_S: Final = 0.25  # a tick that comes so late shows that this process stood still, and with it the program
MONOTONIC = time.monotonic

_edge: Edge | None = None


def edge() -> Edge:
    if _edge is None:
        raise RuntimeError("the simulated machine has no chip: it works in the chip process only")
    return _edge


class _PinState:
    """One physical pin, whatever number of Pin objects name it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.mode = Pin.IN
        self.pull = 0
        self.latch = 0
        self.driven: int | None = None  # level from outside
        self.handler: Callable[[Pin], object] | None = None
        self.trigger = 0
        self.owner: Pin | None = None

    def level(self) -> int:
        if self.mode != Pin.IN:
            return self.latch
        if self.driven is not None:
            return self.driven
        return 1 if self.pull == Pin.PULL_UP else 0

    def announce(self) -> None:
        edge().send(wires.PIN_OUT, self.number, wires.PIN_OUT_FIELDS.pack(self.latch, edge().microseconds()))


class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    def __init__(self, id: Any, mode: int = -1, pull: Any = -1, *, value: Any = None, alt: int = 31) -> None:
        self._state = _pin_state(id)
        self.init(mode, pull, value=value)

    def init(self, mode: int = -1, pull: Any = -1, *, value: Any = None, alt: int = 31) -> None:
        state = self._state
        if value is not None:
            state.latch = int(bool(value))
        if pull != -1:
            state.pull = pull or 0
        if mode != -1:
            if mode not in (Pin.IN, Pin.OUT, Pin.OPEN_DRAIN):
                raise ValueError("invalid pin mode")
            if mode != Pin.IN:
                state.announce()  # the latch first: an output must never show its old level
            state.mode = mode
            edge().send(
                wires.PIN_MODE, state.number, wires.PIN_MODE_FIELDS.pack(0 if mode == Pin.IN else 1, state.pull or 0)
            )
        elif value is not None and state.mode != Pin.IN:
            state.announce()

    def value(self, x: Any = None) -> int | None:
        if x is None:
            return self._state.level()
        level = int(bool(x))
        with _pin_lock:
            self._state.latch = level
            if self._state.mode != Pin.IN:
                self._state.announce()
        return None

    def __call__(self, x: Any = None) -> int | None:
        return self.value(x)

    def on(self) -> None:
        self.value(1)

    def off(self) -> None:
        self.value(0)

    high = on
    low = off

    def toggle(self) -> None:
        self.value(1 - self._state.latch)

    def irq(
        self,
        handler: Callable[[Pin], object] | None = None,
        trigger: int = IRQ_FALLING | IRQ_RISING,
        *,
        hard: bool = False,
        **_: Any,
    ) -> Pin:
        self._state.handler = handler
        self._state.trigger = trigger
        self._state.owner = self
        return self

    def __repr__(self) -> str:
        return f"Pin(GPIO{self._state.number}, mode={'IN' if self._state.mode == Pin.IN else 'OUT'})"


_pins: dict[int, _PinState] = {}
_pin_lock = threading.Lock()  # level and announcement are one step, also against an interrupt handler


def _pin_state(id: Any) -> _PinState:
    if isinstance(id, Pin):
        return id._state
    if isinstance(id, str) and id[:2].upper() == "GP" and id[2:].isdigit():
        id = int(id[2:])
    if not isinstance(id, int) or not 0 <= id < PINS:
        raise ValueError("invalid pin")
    if id not in _pins:
        _pins[id] = _PinState(id)
    return _pins[id]


def _pin_number(pin: Any) -> int | None:
    return None if pin is None else _pin_state(pin).number


def _on_pin(number: int, level: int) -> None:
    state = _pin_state(number)
    before = state.level()
    state.driven = level
    after = state.level()
    edge_kind = Pin.IRQ_RISING if after > before else Pin.IRQ_FALLING
    if after != before and state.handler is not None and state.trigger & edge_kind:
        edge().interrupts.request(state.handler, state.owner)


class _UartIrq:
    """What UART.irq() returns."""

    def __init__(self) -> None:
        self.raised = 0
        self.enabled = 0

    def flags(self) -> int:
        return self.raised

    def trigger(self) -> int:
        return self.enabled


class UART:
    CTS = 1
    RTS = 2
    INV_TX = 1
    INV_RX = 2
    IRQ_RX = 0x10
    IRQ_RXIDLE = 0x40
    IRQ_TXIDLE = 0x20
    IRQ_BREAK = 0x200

    def __new__(cls, id: Any, *arguments: Any, **keywords: Any) -> UART:
        if id not in range(UARTS):
            raise ValueError(f"UART({id}) doesn't exist")
        if id not in _uarts:  # one object a UART: a second UART(1) reconfigures the first
            uart: UART = object.__new__(cls)
            uart._power_up(id)
            _uarts[id] = uart
        return _uarts[id]

    def __init__(self, id: int, baudrate: int | None = None, *arguments: Any, **keywords: Any) -> None:
        if baudrate is not None:
            keywords["baudrate"] = baudrate
        if arguments:
            keywords.update(zip(("bits", "parity", "stop"), arguments, strict=False))
        if keywords or not self._on:
            self.init(**keywords)

    def _power_up(self, id: int) -> None:
        self._id = id
        self._on = False
        self._setup = 0  # counts: what the world says of an earlier set-up no longer counts
        self._lock = threading.Condition()
        self._received = bytearray()
        self._unsent = 0
        self._waiters: list[Callable[[], object]] = []
        self._irq = _UartIrq()
        self._handler: Callable[[UART], object] | None = None
        self._idle_alarm: Any = None
        self._settings: dict[str, Any] = {
            "baudrate": 115200,
            "bits": 8,
            "parity": None,
            "stop": 1,
            "tx": None,
            "rx": None,
            "cts": None,
            "rts": None,
            "rxbuf": RING_DEFAULT_BYTES,
            "txbuf": RING_DEFAULT_BYTES,
            "timeout": 0,
            "timeout_char": 0,
            "flow": 0,
            "invert": 0,
        }
        self.overruns = 0  # bytes lost because the receive ring was full; not in MicroPython, for tests

    def init(self, baudrate: int | None = None, **keywords: Any) -> None:
        """Raises TypeError / ValueError as MicroPython does for an argument that it doesn't know."""
        if baudrate is not None:
            keywords["baudrate"] = baudrate
        for name in keywords:
            if name not in self._settings:
                raise TypeError(f"extra keyword argument given: {name!r}")
        settings = {**self._settings, **keywords}
        setup = self._setup + 1
        for name in ("rxbuf", "txbuf"):
            settings[name] = max(settings[name], RING_MIN_BYTES)
            if settings[name] > RING_MAX_BYTES:
                raise ValueError(f"{name} too large")
        if settings["baudrate"] <= 0:
            raise ValueError("invalid baudrate")
        with self._lock:
            self._settings = settings
            self._setup = setup
            self._on = True
            self._received.clear()
            self._unsent = 0
            self._announce(settings["baudrate"])
            self._changed()

    def deinit(self) -> None:
        if self._on:
            self._on = False
            self._announce(0)

    def any(self) -> int:
        return len(self._received)

    def read(self, nbytes: int | None = None) -> bytes | None:
        """What is there, at most `nbytes`; None if there is nothing within the timeout."""
        with self._lock:
            self._wait_received(1 if nbytes is None else nbytes)
            count = len(self._received) if nbytes is None else min(max(nbytes, 0), len(self._received))
            return self._take(count)

    def readinto(self, buf: Any, nbytes: int | None = None) -> int | None:
        view = memoryview(buf)
        room = len(view) if nbytes is None else min(nbytes, len(view))
        with self._lock:
            self._wait_received(room)
            data = self._take(min(room, len(self._received)))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    def readline(self) -> bytes | None:
        with self._lock:
            self._wait_received(1)
            end = self._received.find(b"\n")
            return self._take(len(self._received) if end < 0 else end + 1)

    def write(self, buf: Any) -> int | None:
        """Bytes taken into the transmit ring; None if it has no room. Waits at most `timeout`."""
        data = bytes(buf.encode() if isinstance(buf, str) else buf)
        done = 0
        deadline = MONOTONIC() + self._settings["timeout"] / 1000
        with self._lock:
            while True:
                piece = data[done : done + self._settings["txbuf"] - self._unsent]
                if piece:
                    self._unsent += len(piece)
                    done += len(piece)
                    edge().send_stream(wires.UART_TX, self._id, piece)
                if done == len(data) or not self._lock.wait(max(0.0, deadline - MONOTONIC())):
                    break
        return done if done or not data else None

    def txdone(self) -> bool:
        return self._unsent == 0

    def flush(self) -> None:
        with self._lock:
            while self._unsent:
                self._lock.wait()

    def sendbreak(self) -> None:
        pass  # no simulated peripheral listens for one

    def irq(
        self, handler: Callable[[UART], object] | None = None, trigger: int = 0, hard: bool = False, **_: Any
    ) -> _UartIrq:
        self._handler = handler
        self._irq.enabled = trigger if handler is not None else 0
        return self._irq

    def __repr__(self) -> str:
        return f"UART({self._id}, baudrate={self._settings['baudrate']})"

    # Below: for the facades and for the edge, not for firmware.

    def sim_ready(self, writing: bool) -> bool:
        """What poll() would say."""
        return self._unsent < self._settings["txbuf"] if writing else bool(self._received)

    def sim_watch(self, call: Callable[[], object]) -> None:
        """Have `call` called, in another thread, when readiness may have changed."""
        with self._lock:
            self._waiters.append(call)

    def sim_unwatch(self, call: Callable[[], object]) -> None:
        with self._lock:
            if call in self._waiters:
                self._waiters.remove(call)

    def sim_frame(self, frame: wires.Frame) -> None:
        if frame.kind == wires.UART_RX:
            self._arrived(frame.payload)
        elif frame.kind == wires.UART_SENT:
            self._sent(*wires.UART_COUNT.unpack(frame.payload))
        elif frame.kind == wires.UART_BREAK:
            self._interrupt(UART.IRQ_BREAK)

    def _arrived(self, data: bytes) -> None:
        with self._lock:
            room = self._settings["rxbuf"] - len(self._received) if self._on else 0
            kept = data[: max(room, 0)]
            self._received += kept
            lost = len(data) - len(kept)
            self.overruns += lost if self._on else 0
            self._changed()
        if lost:
            edge().send(wires.UART_TAKEN, self._id, wires.UART_COUNT.pack(lost, self._setup))
        self._interrupt(UART.IRQ_RX)
        if self._irq.enabled & UART.IRQ_RXIDLE:
            if self._idle_alarm is not None:
                self._idle_alarm.cancel()
            self._idle_alarm = edge().interrupts.call_at(
                MONOTONIC() + IDLE_AFTER_S, lambda: self._interrupt(UART.IRQ_RXIDLE)
            )

    def _sent(self, count: int, setup: int) -> None:
        with self._lock:
            if setup != self._setup:
                return
            self._unsent = max(0, self._unsent - count)
            empty = not self._unsent
            self._changed()
        if empty:
            self._interrupt(UART.IRQ_TXIDLE)

    def _changed(self) -> None:
        self._lock.notify_all()
        for call in tuple(self._waiters):
            call()

    def _interrupt(self, flag: int) -> None:
        if self._handler is not None and self._irq.enabled & flag:
            self._irq.raised = flag
            edge().interrupts.request(self._handler, self)

    def _wait_received(self, wanted: int) -> None:
        timeout_s = self._settings["timeout"] / 1000
        deadline = MONOTONIC() + timeout_s
        while len(self._received) < wanted and (left_s := deadline - MONOTONIC()) > 0:
            if not self._lock.wait(left_s):
                break

    def _take(self, count: int) -> bytes | None:
        if not count:
            return None
        data = bytes(self._received[:count])
        del self._received[:count]
        edge().send(wires.UART_TAKEN, self._id, wires.UART_COUNT.pack(count, self._setup))
        return data

    def _announce(self, baud: int) -> None:
        settings = self._settings
        configuration = {
            "baud": baud,
            "bits": settings["bits"],
            "parity": settings["parity"],
            "stop": settings["stop"],
            "rx_bytes": settings["rxbuf"],
            "flow": settings["flow"],
            "tx": _pin_number(settings["tx"]),
            "rx": _pin_number(settings["rx"]),
            "cts": _pin_number(settings["cts"]),
            "rts": _pin_number(settings["rts"]),
            "setup": self._setup,
        }
        edge().send(wires.UART_CONFIG, self._id, msgspec.json.encode(configuration))


_uarts: dict[int, UART] = {}


def _on_uart(frame: wires.Frame) -> None:
    uart = _uarts.get(frame.number)
    if uart is not None:
        uart.sim_frame(frame)
    elif frame.kind == wires.UART_RX:
        edge().send(wires.UART_TAKEN, frame.number, wires.UART_COUNT.pack(len(frame.payload), 0))


class WDT:
    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        if id != 0:
            raise ValueError("WDT(0) only")
        if not 1 <= timeout <= wires.WDT_MAX_MS:
            raise ValueError(f"timeout exceeds {wires.WDT_MAX_MS}")
        edge().send(wires.WDT_START, 0, wires.COUNT.pack(timeout))

    def feed(self) -> None:
        edge().send(wires.WDT_FEED)


class Timer:
    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id: int = -1, **keywords: Any) -> None:
        if id != -1:
            raise ValueError("Timer doesn't exist: only the virtual Timer(-1)")
        self._alarm: Any = None
        self._turn = 0
        self._period_s = 0.0
        self._spared = False
        self._mode = Timer.PERIODIC
        self._callback: Callable[[Timer], object] | None = None
        if keywords:
            self.init(**keywords)

    def init(
        self,
        *,
        mode: int = PERIODIC,
        freq: float = -1,
        period: int = -1,
        callback: Callable[[Timer], object] | None = None,
        hard: bool = False,
        tick_hz: int = 1000,
    ) -> None:
        self.deinit()
        period_s = 1 / freq if freq > 0 else period / tick_hz
        if period_s <= 0:
            raise ValueError("period or freq must be positive")
        self._mode = mode
        self._period_s = period_s
        self._callback = callback
        self._arm(MONOTONIC() + period_s)

    def deinit(self) -> None:
        with edge().interrupts.mask:
            self._turn += 1
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    def _arm(self, due: float) -> None:
        self._turn += 1
        turn = self._turn
        self._alarm = edge().interrupts.call_at(due, lambda: self._fire(due, turn))

    def _fire(self, due: float, turn: int) -> None:
        if turn != self._turn:  # stopped or set anew while this call waited for its turn
            return
        if self._mode == Timer.PERIODIC:
            now = MONOTONIC()
            # After a halt of the host the program gets its turn first, or it would be judged by time that it never had.
            self._spared = now - due > HELD_UP_S and not self._spared
            self._arm(now + self._period_s if self._spared else max(due + self._period_s, now))
            if self._spared:
                return
        else:
            self._alarm = None
        if self._callback is not None:
            self._callback(self)


class RTC:
    def __init__(self, id: int = 0) -> None:
        pass

    def memory(self, data: Any = None) -> bytes | None:
        """Read or replace the 2048 bytes that survive a reset, not a power cut."""
        global _rtc
        if data is None:
            return _rtc
        new = bytes(data)
        if len(new) > wires.RTC_BYTES:
            raise ValueError("buffer too long")
        _rtc = new
        edge().send(wires.RTC, 0, new)
        return None

    def datetime(self, value: Any = None) -> tuple[int, ...] | None:
        """Reading only; a hub has no clock that it could trust."""
        now = time.gmtime()
        return (now[0], now[1], now[2], now[6], now[3], now[4], now[5], 0) if value is None else None


_rtc = b""


class PWM:
    def __init__(
        self, dest: Any, *, freq: int = 1000, duty_u16: int = 0, duty_ns: int = 0, invert: bool = False
    ) -> None:
        self._state = _pin_state(dest)
        self._freq = freq
        self._duty = duty_u16
        self._announce()

    def init(self, *, freq: int | None = None, duty_u16: int | None = None) -> None:
        self._freq = self._freq if freq is None else freq
        self._duty = self._duty if duty_u16 is None else duty_u16
        self._announce()

    def duty_u16(self, value: int | None = None) -> int | None:
        if value is None:
            return self._duty
        self._duty = max(0, min(65535, value))
        self._announce()
        return None

    def freq(self, value: int | None = None) -> int | None:
        if value is None:
            return self._freq
        self._freq = value
        self._announce()
        return None

    def deinit(self) -> None:
        self._duty = 0
        self._announce()

    def _announce(self) -> None:
        edge().send(wires.PWM_OUT, self._state.number, wires.PWM_FIELDS.pack(self._duty, self._freq))


PWRON_RESET = wires.PWRON_RESET
HARD_RESET = wires.HARD_RESET
WDT_RESET = wires.WDT_RESET
DEEPSLEEP_RESET = wires.DEEPSLEEP_RESET
SOFT_RESET = wires.SOFT_RESET


def reset() -> NoReturn:
    edge().reset(wires.HARD_RESET)
    raise AssertionError("a reset does not return")


def soft_reset() -> NoReturn:
    """Pins keep their levels and the watchdog goes on, as on a chip."""
    edge().reset(wires.SOFT_RESET)
    raise AssertionError("a reset does not return")


def reset_cause() -> int:
    return edge().cause


def unique_id() -> bytes:
    return bytes.fromhex(edge().boot.unique_id)


def freq(hz: int | None = None) -> int | None:
    return 125_000_000 if hz is None else None


def idle() -> None:
    time.sleep(0.001)


def lightsleep(time_ms: int | None = None) -> None:
    while time_ms is None:
        time.sleep(60)
    time.sleep(time_ms / 1000)


def disable_irq() -> int:
    """Keep interrupt handlers from running until :func:`enable_irq`."""
    edge().interrupts.mask.acquire()
    return 1


def enable_irq(state: int = 1) -> None:
    edge().interrupts.mask.release()


def install(chip: Edge) -> types.ModuleType:
    """Connect to the chip and return the module that firmware imports as `machine`."""
    global _edge, _rtc
    _edge = chip
    _rtc = bytes.fromhex(chip.boot.rtc)
    for number, level in chip.boot.pins.items():
        _pin_state(int(number)).driven = level
    chip.on_pin = _on_pin
    chip.on_uart = _on_uart
    module = types.ModuleType("machine", "Simulated by Counterhub's virtual hub.")
    public: tuple[Any, ...] = (
        *(Pin, UART, WDT, Timer, RTC, PWM, reset, soft_reset, reset_cause, unique_id, freq, idle, lightsleep),
        *(disable_irq, enable_irq),
    )
    for item in public:
        setattr(module, item.__name__, item)
    for name in ("PWRON_RESET", "HARD_RESET", "WDT_RESET", "DEEPSLEEP_RESET", "SOFT_RESET"):
        setattr(module, name, globals()[name])
    return module
