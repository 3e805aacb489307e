"""MicroPython's additions to the standard library, put in place in the chip process."""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from typing import Any, Final

from host_bridge.virtual.edge import Edge

TICKS_PERIOD: Final = 1 << 30
TICKS_MAX: Final = TICKS_PERIOD - 1
TICKS_HALF: Final = TICKS_PERIOD >> 1
HEAP_BYTES: Final = 230_000  # free on a Pico after boot; the figures of the simulation say nothing about a real heap


def ticks_diff(end: int, start: int) -> int:
    """The signed distance on the circle of 2**30."""
    return ((end - start + TICKS_HALF) & TICKS_MAX) - TICKS_HALF


def ticks_add(ticks: int, delta: int) -> int:
    """Raises OverflowError as MicroPython does if delta is half the circle or more."""
    if not -TICKS_HALF < delta < TICKS_HALF:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) & TICKS_MAX


def install_time(edge: Edge) -> None:
    start_us = edge.boot.ticks_ms * 1000

    def ticks_us() -> int:
        return (start_us + edge.microseconds()) & TICKS_MAX

    def ticks_ms() -> int:
        return ((start_us + edge.microseconds()) // 1000) & TICKS_MAX

    additions: dict[str, Callable[..., Any]] = {
        "ticks_ms": ticks_ms,
        "ticks_us": ticks_us,
        "ticks_cpu": ticks_us,
        "ticks_diff": ticks_diff,
        "ticks_add": ticks_add,
        "sleep_ms": lambda ms: time.sleep(max(ms, 0) / 1000),
        "sleep_us": lambda us: time.sleep(max(us, 0) / 1_000_000),
    }
    for name, function in additions.items():
        setattr(time, name, function)


def install_gc() -> None:
    additions: dict[str, Callable[..., int]] = {
        "mem_alloc": lambda: len(gc.get_objects()),
        "mem_free": lambda: HEAP_BYTES,
        "threshold": lambda *_: -1,
    }
    for name, function in additions.items():
        setattr(gc, name, function)


class RingIO:
    """A ring that an interrupt handler may write to; what it has no room for is lost."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError
        self._size = size
        self._held = bytearray()
        self._lock = threading.Lock()
        self._waiters: list[Callable[[], object]] = []

    def any(self) -> int:
        return len(self._held)

    def write(self, buf: Any) -> int:
        with self._lock:
            taken = bytes(buf)[: self._size - len(self._held)]
            self._held += taken
            waiters = tuple(self._waiters)
        for call in waiters:
            call()
        return len(taken)

    def read(self, nbytes: int | None = None) -> bytes:
        with self._lock:
            data = bytes(self._held[:nbytes])
            del self._held[: len(data)]
        return data

    def readinto(self, buf: Any) -> int:
        data = self.read(len(buf))
        memoryview(buf)[: len(data)] = data
        return len(data)

    # Below: for the facades, not for firmware.

    def sim_ready(self, writing: bool) -> bool:
        """What poll() would say."""
        return len(self._held) < self._size if writing else bool(self._held)

    def sim_watch(self, call: Callable[[], object]) -> None:
        """Have `call` called, in any thread, when readiness may have changed."""
        with self._lock:
            self._waiters.append(call)

    def sim_unwatch(self, call: Callable[[], object]) -> None:
        with self._lock:
            self._waiters.remove(call)


def print_exception(error: BaseException, file: Any = None) -> None:
    text = "".join(traceback.format_exception(error))
    (sys.stdout if file is None else file).write(text)


def micropython_module(edge: Edge) -> types.ModuleType:
    module = types.ModuleType("micropython", "MicroPython's own module, for Counterhub's virtual hub.")

    def schedule(function: Callable[[Any], object], argument: Any) -> None:
        if not edge.interrupts.request(function, argument):
            raise RuntimeError("schedule queue full")

    def same(value: Any) -> Any:
        return value

    names: dict[str, Any] = {
        "RingIO": RingIO,
        "const": same,
        "native": same,
        "viper": same,
        "schedule": schedule,
        "opt_level": lambda *_: 0,
        "mem_info": lambda *_: None,
        "qstr_info": lambda *_: None,
        "stack_use": lambda: 0,
        "heap_lock": lambda: 0,
        "heap_unlock": lambda: 0,
        "kbd_intr": lambda character: None,
        "alloc_emergency_exception_buf": lambda size: None,
    }
    for name, value in names.items():
        setattr(module, name, value)
    return module


def install(edge: Edge) -> None:
    """Put everything in place."""
    install_time(edge)
    install_gc()
    setattr(sys, "print_exception", print_exception)  # noqa: B010  mypy knows that sys has no such name
    sys.modules["micropython"] = micropython_module(edge)
