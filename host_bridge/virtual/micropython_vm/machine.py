"""`machine` on MicroPython's WebAssembly build: as far as a counter hub uses it, built on `_chip` of chip.mjs.

Runs on MicroPython, not here. Constants as on the rp2 port, reset causes as on the esp32 port. Of UART.irq only
IRQ_BREAK is there.
"""

import json
import sys
from binascii import hexlify, unhexlify

import _chip
import asyncio

_PINS = 30
_UARTS = 4
_RING_BYTES_DEFAULT = 256
_RING_BYTES_MIN, _RING_BYTES_MAX = 32, 32766
_RTC_BYTES = 2048
_EVENT_TIMER, _EVENT_READABLE, _EVENT_WRITABLE, _EVENT_PIN, _EVENT_BREAK = range(5)  # as in chip.mjs
_WDT_MS_MAX = 8388

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = range(1, 6)


class _PinState:
    """One physical pin, whatever number of Pin objects name it."""

    def __init__(self, number):
        self.number = number
        self.mode = Pin.IN
        self.pull = 0
        self.latch = 0
        self.handler = None
        self.trigger = 0
        self.owner = None
        self.seen = 0

    def level(self):
        if self.mode != Pin.IN:
            return self.latch
        driven = _chip.pin_in(self.number)
        return driven if driven >= 0 else int(self.pull == Pin.PULL_UP)


class Pin:
    IN, OUT, OPEN_DRAIN = 0, 1, 2
    PULL_UP, PULL_DOWN = 1, 2
    IRQ_FALLING, IRQ_RISING = 4, 8

    def __init__(self, id, mode=-1, pull=-1, value=None):
        self._state = _pin_state(id)
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, value=None):
        state = self._state
        if value is not None:
            state.latch = int(bool(value))
        if pull != -1:
            state.pull = pull or 0
        if mode != -1:
            if mode not in (Pin.IN, Pin.OUT, Pin.OPEN_DRAIN):
                raise ValueError("invalid pin mode")
            if mode != Pin.IN:
                _chip.pin_out(state.number, state.latch)  # the latch first: an output must never show its old level
            state.mode = mode
            _chip.pin_mode(state.number, int(mode != Pin.IN), state.pull)
        elif value is not None and state.mode != Pin.IN:
            _chip.pin_out(state.number, state.latch)

    def value(self, x=None):
        state = self._state
        if x is None:
            return state.level()
        state.latch = int(bool(x))
        if state.mode != Pin.IN:
            _chip.pin_out(state.number, state.latch)

    def __call__(self, x=None):
        return self.value(x)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    high = on
    low = off

    def toggle(self):
        self.value(1 - self._state.latch)

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, hard=False):
        state = self._state
        state.handler, state.trigger, state.owner = handler, trigger, self
        state.seen = state.level()
        return self


_pins = {}


def _pin_state(id):
    if isinstance(id, Pin):
        return id._state
    if isinstance(id, str) and id[:2].upper() == "GP" and id[2:].isdigit():
        id = int(id[2:])
    if not isinstance(id, int) or not 0 <= id < _PINS:
        raise ValueError("invalid pin")
    if id not in _pins:
        _pins[id] = _PinState(id)
    return _pins[id]


def _pin_number(pin):
    return None if pin is None else _pin_state(pin).number


class _UartState:
    """One physical UART: a second UART(1) is the first, set up anew."""

    def __init__(self, number):
        self.number = number
        self.on = False
        self.readable = asyncio.Event()
        self.writable = asyncio.Event()
        self.on_break = None
        self.settings = {
            "baudrate": 115200,
            "bits": 8,
            "parity": None,
            "stop": 1,
            "tx": None,
            "rx": None,
            "cts": None,
            "rts": None,
            "rxbuf": _RING_BYTES_DEFAULT,
            "txbuf": _RING_BYTES_DEFAULT,
            "timeout": 0,
            "timeout_char": 0,
            "flow": 0,
            "invert": 0,
        }

    def configure(self, options):
        for name in options:
            if name not in self.settings:
                raise TypeError("extra keyword argument given: %r" % name)
        for name in ("rxbuf", "txbuf"):
            if name in options:
                if options[name] > _RING_BYTES_MAX:
                    raise ValueError("%s too large" % name)
                options[name] = max(options[name], _RING_BYTES_MIN)
        if options.get("baudrate", 1) <= 0:
            raise ValueError("invalid baudrate")
        self.settings.update(options)
        self.on = True
        self.announce(self.settings["baudrate"])

    def announce(self, baud):
        settings = self.settings
        told = {
            "baud": baud,
            "bits": settings["bits"],
            "parity": settings["parity"],
            "stop": settings["stop"],
            "rx_bytes": settings["rxbuf"],
            "tx_bytes": settings["txbuf"],
            "flow": settings["flow"],
        }
        for name in ("tx", "rx", "cts", "rts"):
            told[name] = _pin_number(settings[name])
        _chip.uart_open(self.number, json.dumps(told))


_uarts = {}


class UART:
    CTS, RTS = 1, 2
    INV_TX, INV_RX = 1, 2
    IRQ_BREAK = 0x200

    def __init__(self, id, baudrate=None, bits=None, parity=None, stop=None, **options):
        if not isinstance(id, int) or not 0 <= id < _UARTS:
            raise ValueError("UART(%r) doesn't exist" % (id,))
        if id not in _uarts:
            _uarts[id] = _UartState(id)
        self._state = _uarts[id]
        self._number = id
        for name, value in (("baudrate", baudrate), ("bits", bits), ("parity", parity), ("stop", stop)):
            if value is not None:
                options[name] = value
        if options or not self._state.on:
            self._state.configure(options)

    @property
    def readable(self):
        return self._state.readable

    def init(self, baudrate=None, **options):
        if baudrate is not None:
            options["baudrate"] = baudrate
        self._state.configure(options)

    def deinit(self):
        if self._state.on:
            self._state.on = False
            self._state.announce(0)

    def any(self):
        return _chip.uart_any(self._number)

    def read(self, nbytes=None):
        """What is there, at most `nbytes`; None if there is nothing within the timeout."""
        self._wait(1 if nbytes is None else nbytes)
        data = _chip.uart_read(self._number, _RING_BYTES_MAX if nbytes is None else nbytes)
        return unhexlify(data) if data else None

    def readline(self):
        """Up to a line's end, or what is there."""
        self._wait(1)
        return self.read(_chip.uart_line_bytes(self._number) or None)

    def readinto(self, buf, nbytes=None):
        room = len(buf) if nbytes is None else min(nbytes, len(buf))
        data = self.read(room)
        if data is None:
            return None
        memoryview(buf)[: len(data)] = data
        return len(data)

    def write(self, buf):
        """Bytes taken into the transmit ring; None if it has no room. Waits at most `timeout`."""
        data = hexlify(buf).decode()
        done = _chip.uart_write(self._number, data)
        slept_ms = 0
        while done * 2 < len(data) and slept_ms < self._state.settings["timeout"]:
            _chip.wait_ms(1)
            slept_ms += 1
            done += _chip.uart_write(self._number, data[done * 2 :])
        return done if done or not data else None

    def txdone(self):
        return _chip.uart_unsent(self._number) == 0

    def flush(self):
        while not self.txdone():
            _chip.wait_ms(1)

    def irq(self, handler=None, trigger=0, hard=False):
        if trigger & ~UART.IRQ_BREAK:
            raise ValueError("trigger 0x%08x unsupported" % trigger)
        self._state.on_break = None if handler is None or not trigger else lambda: handler(self)

    def _wait(self, wanted):
        slept_ms = 0
        while slept_ms < self._state.settings["timeout"] and self.any() < wanted:
            _chip.wait_ms(1)
            slept_ms += 1


class WDT:
    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT(0) only")
        if not 1 <= timeout <= _WDT_MS_MAX:
            raise ValueError("timeout exceeds %d" % _WDT_MS_MAX)
        _chip.wdt_start(timeout)

    def feed(self):
        _chip.wdt_feed()


class Timer:
    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, id=-1, **options):
        if id != -1:
            raise ValueError("Timer doesn't exist: only the virtual Timer(-1)")
        self._number = len(_timers)
        self._callback = None
        _timers.append(self)
        if options:
            self.init(**options)

    def init(self, mode=PERIODIC, freq=-1, period=-1, callback=None, hard=False):
        ms = 1000 / freq if freq > 0 else period
        if ms <= 0:
            raise ValueError("period or freq must be positive")
        self._callback = callback
        _chip.timer_start(self._number, ms, mode == Timer.PERIODIC)

    def deinit(self):
        _chip.timer_stop(self._number)


_timers = []  # a counter hub has a handful, for its whole life


class PWM:
    def __init__(self, dest, freq=1000, duty_u16=0):
        self._pin = _pin_number(dest)
        self._freq = freq
        self.duty_u16(duty_u16)

    def duty_u16(self, value=None):
        if value is None:
            return self._duty
        self._duty = max(0, min(65535, value))
        _chip.pwm(self._pin, self._duty, self._freq)

    def deinit(self):
        self.duty_u16(0)


class RTC:
    def memory(self, data=None):
        """Read or replace the 2048 bytes that survive a reset, not a power cut."""
        global _rtc
        if data is None:
            return _rtc
        if len(data) > _RTC_BYTES:
            raise ValueError("buffer too long")
        _rtc = bytes(data)
        _chip.set_rtc(hexlify(_rtc).decode())


_rtc = unhexlify(_chip.rtc())


def reset():
    _chip.reset(HARD_RESET)


def soft_reset():
    _chip.reset(SOFT_RESET)


def reset_cause():
    return _chip.cause()


def unique_id():
    return unhexlify(_chip.unique_id())


def freq(hz=None):
    return 125_000_000 if hz is None else None


def idle():
    _chip.wait_ms(1)


def disable_irq():
    """Keep interrupt handlers from running until `enable_irq`."""
    _chip.mask(True)
    return 1


def enable_irq(state=1):
    _chip.mask(False)


def _on_event(kind, number):
    """Called by the chip, as an interrupt would."""
    try:
        if kind == _EVENT_READABLE:
            if number in _uarts:
                _uarts[number].readable.set()
        elif kind == _EVENT_WRITABLE:
            if number in _uarts:
                _uarts[number].writable.set()
        elif kind == _EVENT_BREAK:
            if number in _uarts and _uarts[number].on_break:
                _uarts[number].on_break()
        elif kind == _EVENT_TIMER:
            timer = _timers[number]
            if timer._callback:
                timer._callback(timer)
        elif number in _pins:
            _on_pin(_pins[number])
    except Exception as error:
        sys.print_exception(error)


def _on_pin(state):
    if state.handler is None:
        return
    before, state.seen = state.seen, state.level()
    if state.seen != before and state.trigger & (Pin.IRQ_RISING if state.seen else Pin.IRQ_FALLING):
        state.handler(state.owner)


_chip.listen(_on_event)
