"""The chip process's end of the edge (see wires.py): what the simulated `machine` is built on."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

import msgspec

from host_bridge.virtual import wires
from host_bridge.virtual.interrupts import Interrupts

READ_BYTES: Final = 65536
TEXT_CHUNK_BYTES: Final = 4096


class Boot(msgspec.Struct, frozen=True):
    """What the chip is told when it gets power or leaves reset."""

    unique_id: str = "e66000000000c0de"
    rtc: str = ""
    pins: dict[str, int] = {}
    ticks_ms: int = 0


class Edge:
    """Sends frames; hands arriving ones to `on_uart`, `on_pin` and `on_hang`, in the reader thread."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._write_lock = threading.Lock()
        self._decoder = wires.Decoder(wires.TO_CHIP)
        self.on_uart: Callable[[wires.Frame], None] = lambda frame: None
        self.on_pin: Callable[[int, int], None] = lambda pin, level: None
        self.on_hang: Callable[[bool], None] = lambda active: None
        self._early: list[wires.Frame] = []
        self.cause = wires.PWRON_RESET
        self.boot = Boot()
        self.started = time.monotonic()
        self.interrupts = Interrupts(self.print_error)

    def wait_for_boot(self) -> None:
        """Block until the world gives power."""
        frames: list[wires.Frame] = []
        while not frames:
            frames = self._decoder.feed(self._read())
        first, *rest = frames
        if first.kind != wires.BOOT:
            raise wires.WireError(f"expected BOOT first, got kind 0x{first.kind:02x}")
        self.cause = first.number
        self.boot = msgspec.json.decode(first.payload, type=Boot)
        self.started = time.monotonic()
        self._early = rest

    def listen(self) -> None:
        """Hand arriving frames on, in a thread of its own, once the subscribers are in place."""
        threading.Thread(target=self._listen, args=(self._early,), name="edge", daemon=True).start()

    def send(self, kind: int, number: int = 0, payload: bytes = b"") -> None:
        frame = wires.encode(kind, number, payload)
        with self._write_lock:
            while frame:
                try:
                    frame = frame[os.write(self._write_fd, frame) :]
                except (BrokenPipeError, OSError):
                    os._exit(0)  # the world is gone, and the chip with it

    def send_stream(self, kind: int, number: int, data: bytes) -> None:
        for start in range(0, len(data), wires.MAX_PAYLOAD_BYTES):
            self.send(kind, number, data[start : start + wires.MAX_PAYLOAD_BYTES])

    def reset(self, cause: int) -> None:
        """Ask for a reset; never returns."""
        self.send(wires.RESET, cause)
        while True:  # the world ends this process
            time.sleep(60)

    def microseconds(self) -> int:
        """The chip's clock."""
        return int((time.monotonic() - self.started) * 1_000_000)

    def write_text(self, text: str) -> None:
        """Print as a REPL does: UTF-8, CR LF."""
        data = text.replace("\n", "\r\n").encode("utf-8", "replace")
        for start in range(0, len(data), TEXT_CHUNK_BYTES):
            self.send(wires.TEXT, 0, data[start : start + TEXT_CHUNK_BYTES])

    def print_error(self, error: BaseException) -> None:
        self.write_text("".join(traceback.format_exception(error)))

    def _read(self) -> bytes:
        try:
            data = os.read(self._read_fd, READ_BYTES)
        except OSError:
            data = b""
        if not data:
            os._exit(0)  # power is gone
        return data

    def _listen(self, frames: list[wires.Frame]) -> None:
        try:
            while True:
                for frame in frames:
                    self._dispatch(frame)
                frames = self._decoder.feed(self._read())
        except BaseException:
            with contextlib.suppress(Exception):
                traceback.print_exc()
            os._exit(70)  # a chip that hears nothing any more must not look alive

    def _dispatch(self, frame: wires.Frame) -> None:
        if frame.kind == wires.PIN_IN:
            self.on_pin(frame.number, frame.payload[0])
        elif frame.kind == wires.HANG:
            self.on_hang(frame.number != 0)
        else:
            self.on_uart(frame)


class TextStream:
    """`sys.stdout` of the firmware: text on the link's wire."""

    encoding = "utf-8"

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self.buffer = self

    def write(self, text: Any) -> int:
        if isinstance(text, str):
            self._edge.write_text(text)
        else:
            self._edge.send_stream(wires.TEXT, 0, bytes(text))
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False
