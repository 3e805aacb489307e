"""One UART of the chip as the world sees it: its settings, and the two directions of the wire to its peripheral."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from host_bridge.virtual import wires
from host_bridge.virtual.line import WHOLE_MS, Clock, Line, garble, speeds_agree
from host_bridge.virtual.wiring import UartWiring

log = logging.getLogger(__name__)


class UartConfiguration(msgspec.Struct, frozen=True):
    """The payload of UART_CONFIG."""

    baud: int
    bits: int = 8
    parity: int | None = None
    stop: int = 1
    rx_bytes: int = 256
    flow: int = 0
    tx: int | None = None
    rx: int | None = None
    cts: int | None = None
    rts: int | None = None
    setup: int = 0


class Uart:
    """`baud` is the peripheral's speed. `usb`: a way to the bridge, with flow control; its baud 0 is no limit."""

    def __init__(
        self,
        clock: Clock,
        place: UartWiring,
        send: Callable[[int, int, bytes], None],
        arrive: Callable[[bytes], None],
        *,
        baud: int,
        usb: bool = False,
    ) -> None:
        self.peripheral_room: Callable[[], int] | None = None
        self._place = place
        self._send = send
        self._arrive = arrive
        self._baud = baud
        self._usb = usb and not baud
        self._is_link = usb
        self._configuration: UartConfiguration | None = None
        self._in_ring = 0
        self._line_low = False
        self.to_world = Line(clock, self._leave, sent=self._sent, baud=baud)
        self.to_chip = Line(clock, self._enter, baud=baud, whole_ms=0 if usb else WHOLE_MS)
        if self._usb:
            self.to_world.room = self._world_room
            self.to_chip.room = self._ring_room

    def configure(self, configuration: UartConfiguration) -> None:
        """The firmware set it up, or switched it off."""
        place, number = self._place, self._place.uart
        self.to_world.clear()  # what the program had not sent yet
        self._in_ring = 0
        self._configuration = configuration if configuration.baud else None
        if self._configuration is None:
            self.reset()
            return
        if (configuration.tx, configuration.rx) not in ((place.tx, place.rx), (None, None)):
            log.warning(
                "UART %d is on pins tx %s, rx %s; the board is wired to tx %d, rx %d: nothing is connected",
                *(number, configuration.tx, configuration.rx, place.tx, place.rx),
            )
            self._configuration = None
        if not self._usb:
            self.to_world.set_baud(self._baud if self._is_link else configuration.baud)
            flow = configuration.flow & wires.FLOW_CTS and configuration.cts == place.cts is not None
            self.to_world.room = self._world_room if flow else None
        self.to_world.resume()
        self.to_chip.resume()

        if self._line_low:
            self._send(wires.UART_BREAK, place.uart, b"")

    def set_line(self, *, low: bool) -> None:
        """The line to the chip is pulled low, as by a peripheral without power: a break, and nothing comes."""
        if low == self._line_low:
            return
        self._line_low = low
        self.to_chip.clear()
        if low and self._configuration is not None:
            self._send(wires.UART_BREAK, self._place.uart, b"")

    def transmit(self, data: bytes) -> None:
        """The program wrote bytes."""
        self.to_world.push(data, credited=True)

    def text(self, data: bytes) -> None:
        """The interpreter printed."""
        self.to_world.push(data)

    def taken(self, count: int, setup: int) -> None:
        """Bytes left the chip's receive ring."""
        if self._configuration is not None and setup != self._configuration.setup:
            return
        self._in_ring = max(0, self._in_ring - count)
        self.to_chip.resume()

    def reset(self) -> None:
        """The chip was reset: what was on its way is lost."""
        self._configuration = None
        self._in_ring = 0
        self.to_world.clear()
        self.to_chip.clear()

    def statistics(self) -> dict[str, Any]:
        return {
            "to_world_bytes": self.to_world.carried_bytes,
            "to_chip_bytes": self.to_chip.carried_bytes,
            "dropped_bytes": self.to_world.dropped_bytes + self.to_chip.dropped_bytes,
        }

    def _leave(self, data: bytes) -> None:
        if self._place.uart == 0:  # the link's socket also carries what the interpreter prints with no UART set up
            self._arrive(data)
        elif self._configuration is not None:
            agree = self._is_link or speeds_agree(self._configuration.baud, self._baud)
            self._arrive(data if agree else garble(data))

    def _enter(self, data: bytes) -> None:
        configuration = self._configuration
        if configuration is None:
            return  # nobody listens
        if not self._is_link and not speeds_agree(configuration.baud, self._baud):
            data = garble(data)
        self._in_ring += len(data)
        for start in range(0, len(data), wires.MAX_PAYLOAD_BYTES):
            self._send(wires.UART_RX, self._place.uart, data[start : start + wires.MAX_PAYLOAD_BYTES])

    def _sent(self, count: int) -> None:
        setup = self._configuration.setup if self._configuration is not None else 0
        self._send(wires.UART_SENT, self._place.uart, wires.UART_COUNT.pack(count, setup))

    def _world_room(self) -> int:
        return self.peripheral_room() if self.peripheral_room is not None else 1 << 16

    def _ring_room(self) -> int:
        return 1 << 16 if self._configuration is None else self._configuration.rx_bytes - self._in_ring
