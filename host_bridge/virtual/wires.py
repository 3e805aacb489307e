"""The edge between a chip and the world around it: one frame format, whatever plays the chip.

Two byte streams (pipes to a chip process; a WebAssembly interpreter or an emulated RP2040 speak the same) carry frames:

    kind 1 byte | number 1 byte | length 2 bytes, little-endian | payload

`number` names the UART or pin that the frame is about, 0 where there is none. Integers in payloads are
little-endian. The world sends BOOT first and exactly once; everything before it is the chip's silence. The chip's
life ends with its RESET frame or when the world closes the stream; pins and UARTs it had set up are then at rest.

Chip to world:

| kind        | number | payload                                                                            |
|-------------|-------|------------------------------------------------------------------------------------|
| UART_CONFIG | UART  | JSON: `baud` (0: switched off), `bits`, `parity`, `stop`, `rx_bytes` (receive ring),    |
|             |       | `flow` (bit 0 CTS, bit 1 RTS), `tx`, `rx`, `cts`, `rts` (pin numbers or null),         |
|             |       | `setup` (counts the set-ups of this UART). Both rings are empty from here on         |
| UART_TX     | UART  | bytes the program wrote; they wait in the chip's transmit ring until UART_SENT      |
| UART_TAKEN  | UART  | u32: so many bytes left the receive ring, read or lost; u32 `setup`                  |
| PIN_MODE    | pin   | u8 0 input, 1 output; u8 pull 0 none, 1 up, 2 down                                 |
| PIN_OUT     | pin   | u8 level; u64 the chip's clock in µs (pulses are judged by it, not by arrival)      |
| PWM_OUT     | pin   | u16 duty (65535: always on); u32 frequency in Hz                                   |
| WDT_START   | 0     | u32 timeout in ms; counts from now                                                 |
| WDT_FEED    | 0     | empty                                                                              |
| RESET       | cause | the program asked for a reset; the chip says nothing more                           |
| RTC         | 0     | the memory that survives a reset, whole                                            |
| TEXT        | 0     | what the program printed; appears on the link's wire in its place between UART_TX    |

World to chip:

| kind        | number | payload                                                                            |
|-------------|-------|------------------------------------------------------------------------------------|
| BOOT        | cause | JSON: `unique_id` (hex), `rtc` (hex), `pins` ({"10": 1}: levels driven from outside), |
|             |       | `ticks_ms` (where the millisecond counter starts)                                  |
| UART_RX     | UART  | bytes that arrived; what the receive ring has no room for is lost                    |
| UART_SENT   | UART  | u32: so many bytes left the transmit ring; u32 `setup` (another: ignore)             |
| UART_BREAK  | UART  | a break condition                                                                  |
| PIN_IN      | pin   | u8 level driven from outside                                                       |
| HANG        | 0/1   | 1: the program stops where it is, interrupts go on; 0: it goes on                    |
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

HEADER: Final = struct.Struct("<BBH")
MAX_PAYLOAD_BYTES: Final = 0xFFFF

UART_CONFIG: Final = 0x01
UART_TX: Final = 0x02
UART_TAKEN: Final = 0x03
PIN_MODE: Final = 0x04
PIN_OUT: Final = 0x05
PWM_OUT: Final = 0x06
WDT_START: Final = 0x07
WDT_FEED: Final = 0x08
RESET: Final = 0x09
RTC: Final = 0x0A
TEXT: Final = 0x0B

BOOT: Final = 0x81
UART_RX: Final = 0x82
UART_SENT: Final = 0x83
UART_BREAK: Final = 0x84
PIN_IN: Final = 0x85
HANG: Final = 0x86

FROM_CHIP: Final = frozenset(range(UART_CONFIG, TEXT + 1))
TO_CHIP: Final = frozenset(range(BOOT, HANG + 1))

COUNT: Final = struct.Struct("<I")
UART_COUNT: Final = struct.Struct("<II")  # bytes, setup
PIN_MODE_FIELDS: Final = struct.Struct("<BB")
PIN_OUT_FIELDS: Final = struct.Struct("<BQ")
PWM_FIELDS: Final = struct.Struct("<HI")

# Reset causes, numbered as on the ESP32.
PWRON_RESET: Final = 1
HARD_RESET: Final = 2
WDT_RESET: Final = 3
DEEPSLEEP_RESET: Final = 4
SOFT_RESET: Final = 5
CAUSE_NAMES: Final = {
    PWRON_RESET: "PWRON_RESET",
    HARD_RESET: "HARD_RESET",
    WDT_RESET: "WDT_RESET",
    DEEPSLEEP_RESET: "DEEPSLEEP_RESET",
    SOFT_RESET: "SOFT_RESET",
}

RTC_BYTES: Final = 2048  # RTC().memory() on the ESP32
WDT_MAX_MS: Final = 8388  # the RP2040's watchdog counts no further

FLOW_CTS: Final = 1
FLOW_RTS: Final = 2


class WireError(Exception):
    """The other side of the edge sent something that is no frame."""


class Frame(NamedTuple):
    kind: int
    number: int
    payload: bytes


def encode(kind: int, number: int = 0, payload: bytes = b"") -> bytes:
    """One frame as bytes. Raises :class:`WireError` if the payload is too long: split it."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError(f"payload of {len(payload)} bytes; a frame carries at most {MAX_PAYLOAD_BYTES}")
    return HEADER.pack(kind, number, len(payload)) + payload


def encode_stream(kind: int, number: int, data: bytes) -> Iterator[bytes]:
    """Frames for a run of bytes of any length."""
    for start in range(0, len(data), MAX_PAYLOAD_BYTES):
        yield encode(kind, number, data[start : start + MAX_PAYLOAD_BYTES])


class Decoder:
    """Takes bytes as they come and returns whole frames. Holds less than one frame."""

    def __init__(self, kinds: frozenset[int]) -> None:
        self._kinds = kinds
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Raises :class:`WireError` on a kind that this side does not take; the stream is then useless."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= HEADER.size:
            kind, number, length = HEADER.unpack_from(self._buffer, start)
            if kind not in self._kinds:
                raise WireError(f"frame of unknown kind 0x{kind:02x}")
            end = start + HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append(Frame(kind, number, bytes(self._buffer[start + HEADER.size : end])))
            start = end
        del self._buffer[:start]
        return frames
