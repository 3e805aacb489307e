"""Hears the hub's greeting: the proof that what was flashed lives."""

from __future__ import annotations

import time
from typing import Any, Final

from host_bridge.flash.errors import FlashError
from host_bridge.plain_text import plain_texts
from host_bridge.state import Text
from hublink.frame import HELLO, FrameReader
from hublink.hello import unpack_hello

GREETING_TIMEOUT_S: Final = 20.0  # power-on to HELLO takes under 2 s; the system's port takes some more
READ_TIMEOUT_S: Final = 0.2
READ_BYTES: Final = 256
TEXT_BYTES_KEPT: Final = 2000


def wait_for_greeting(port: str, timeout_s: float = GREETING_TIMEOUT_S) -> dict[str, Any]:
    """The hub's HELLO, heard without answering. Raises FlashError with what the hub said instead."""
    import serial

    until = time.monotonic() + timeout_s
    heard: list[dict[str, Any]] = []
    text = bytearray()

    def on_frame(kind: int, _message: int, _session: int, _sequence: int, _ack: int, payload: Any) -> None:
        hello = unpack_hello(bytes(payload)) if kind == HELLO else None
        if hello is not None:
            heard.append(plain_texts(hello))

    def on_text(data: bytes) -> None:
        text.extend(data)
        del text[:-TEXT_BYTES_KEPT]

    reader = FrameReader(True, on_frame, on_text, lambda _name: None)
    source = None
    try:
        while not heard and time.monotonic() < until:
            try:
                source = source or serial.serial_for_url(port, timeout=READ_TIMEOUT_S, exclusive=True)
                data = source.read(source.in_waiting or 1)
                reader.feed(data, len(data))
            except (OSError, ValueError):  # the port is away while the board starts
                _close(source)
                source = None
                time.sleep(READ_TIMEOUT_S)
    finally:
        _close(source)
    if heard:
        return heard[0]
    raise FlashError(
        Text(*_silence(timeout_s, bytes(text).decode("utf-8", "replace").strip())),
        Text(
            "Pull the cable and plug it in again; give the same command again if the light stays dark.",
            "请重新插拔线缆；若指示灯仍不亮，请再执行一次相同命令。",
        ),
    )


def _silence(timeout_s: float, said: str) -> tuple[str, str]:
    if said:
        return (
            f"the hub did not greet within {timeout_s:g} s; it said:\n{said}",
            f"{timeout_s:g} 秒内没有握手，输出为：\n{said}",
        )
    return f"the hub did not greet within {timeout_s:g} s", f"{timeout_s:g} 秒内没有收到集线盒的握手"


def _close(source: Any) -> None:
    if source is not None:
        source.close()
