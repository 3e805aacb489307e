"""The virtual counter around an emulated Pico: the same peripherals and faults, another chip."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any, Final

from host_bridge.emulator.pico import EmulatedPico
from host_bridge.emulator.start import FLASH_FILE
from host_bridge.virtual import wires, wiring
from host_bridge.virtual.counter import Counter, Publish
from host_bridge.virtual.options import Options
from host_bridge.virtual.server import Server, Start
from host_bridge.virtual.uart import UartConfiguration

USB_RING_BYTES: Final = 512  # stdin on rp2
USB_AHEAD_BYTES: Final = 256  # of the chip's, before a port that nobody empties stops it

log = logging.getLogger(__name__)


class Wiring:
    """Which pin and UART of the real board stands for which of the virtual counter's."""

    def __init__(self, board: dict[str, Any]) -> None:
        self.uarts: dict[int, wiring.UartWiring] = {}
        if "printer" in board:
            self.uarts[board["printer"]["uart"]] = wiring.PRINTER
        if "scanner" in board:
            self.uarts[board["scanner"]["uart"]] = wiring.SCANNER
        drawer, light = board.get("drawer", {}), board.get("indicator", {})
        pairs = [
            (board.get("printer", {}).get("cts"), wiring.PRINTER.cts),
            (board.get("scanner", {}).get("sense"), wiring.SCANNER_SENSE),
            (drawer.get("switch"), wiring.DRAWER_SWITCH),
            (light.get("red"), wiring.LED_RED),
            (light.get("green"), wiring.LED_GREEN),
            (light.get("blue"), wiring.LED_BLUE),
            (board.get("safe_mode", {}).get("pin"), wiring.SAFE_MODE_BUTTON),
            *zip(drawer.get("kick", ()), wiring.DRAWER_KICK.values(), strict=False),
        ]
        self.pins: dict[int, int] = {
            real: virtual for real, virtual in pairs if real is not None and virtual is not None
        }


class EmulatedCounter(Counter):
    """A counter whose chip is always the same object: power, resets and the watchdog happen inside it."""

    def __init__(
        self, directory: Path, options: Options, publish: Publish, pico: EmulatedPico, board: dict[str, Any]
    ) -> None:
        self._pico = pico  # before all else: the counter drives pins from its beginning
        self._wiring = Wiring(board)
        self._real_pin = {virtual: real for real, virtual in self._wiring.pins.items()}
        self._real_uart = {place.uart: number for number, place in self._wiring.uarts.items()}
        super().__init__(directory, options, publish)
        self._usb_ahead_bytes = 0
        self._reopening: asyncio.Task[None] | None = None
        pico.on_usb = self._usb_says
        pico.on_usb_taken = self._usb_took
        pico.on_usb_connected = self._usb_connected
        pico.on_uart = self._uart_says
        pico.on_uart_setup = self._uart_set_up
        pico.on_pin = self._pin_moved
        pico.on_reset = self._chip_reset

    def statistics(self) -> dict[str, Any]:
        """Also the chip's own time, in ms."""
        return {**super().statistics(), "chip_ms": self._pico.nanoseconds / 1e6}

    async def stop(self) -> None:
        """Also keeps what the flash holds: whole, or not at all."""
        await super().stop()
        fresh = self._directory / (FLASH_FILE + ".new")
        fresh.write_bytes(self._pico.flash())
        fresh.replace(self._directory / FLASH_FILE)

    def press_reset(self) -> None:
        """The board's reset button."""
        self._forget_life("PWRON_RESET")
        self._pico.press_reset()
        self._drive_all()

    # -- what the counter asks of its chip -------------------------------------------------------------------------

    async def _boot(self, cause: int) -> None:
        if self._faults["hub_power"] or self._stopping:
            return
        self._forget_life(wires.CAUSE_NAMES[cause])
        self._pico.power_on()
        self._drive_all()

    async def _kill_chip(self) -> None:
        self._pico.power_off()
        self._forget_wires()

    def _send(self, kind: int, number: int = 0, payload: bytes = b"") -> None:
        if kind == wires.PIN_IN:
            if number in self._real_pin:
                self._pico.drive(self._real_pin[number], payload[0])
        elif kind == wires.HANG:
            self._pico.halted = bool(number)
        elif number == wiring.LINK.uart:
            self._to_usb(kind, payload)
        elif number in self._real_uart:
            uart = self._pico.uarts[self._real_uart[number]]
            if kind == wires.UART_RX:
                uart.arrive(payload)
            elif kind == wires.UART_SENT:
                uart.sent(wires.UART_COUNT.unpack(payload)[0])

    def _from_till(self, data: bytes) -> None:
        if not self._faults["link_silent"]:
            self._link.to_chip.push(self._with_noise(data))
            self._pace_till()

    # -- what the chip does ----------------------------------------------------------------------------------------

    def _to_usb(self, kind: int, payload: bytes) -> None:
        if kind == wires.UART_RX:
            self._pico.usb.send(payload)
        elif kind == wires.UART_SENT:
            self._usb_ahead_bytes -= wires.UART_COUNT.unpack(payload)[0]
            self._pico.usb.hold(self._usb_ahead_bytes > USB_AHEAD_BYTES)

    def _usb_says(self, data: bytes) -> None:
        self._usb_ahead_bytes += len(data)
        self._link.transmit(data)
        self._pico.usb.hold(self._usb_ahead_bytes > USB_AHEAD_BYTES)
        self._pico.interrupt()

    def _usb_took(self, count: int) -> None:
        self._link.taken(count, 0)
        self._pace_till()
        self._pico.interrupt()

    def _usb_connected(self) -> None:
        self._link.configure(UartConfiguration(baud=3_000_000, rx_bytes=USB_RING_BYTES))
        self._pico.interrupt()

    def _uart_says(self, number: int, data: bytes) -> None:
        place = self._wiring.uarts.get(number)
        if place is None:
            self._pico.uarts[number].sent(len(data))
            return
        self.uarts[place.uart].transmit(data)
        self._pico.interrupt()

    def _uart_set_up(self, number: int) -> None:
        place, uart = self._wiring.uarts.get(number), self._pico.uarts[number]
        if place is None:
            return
        flow = wires.FLOW_CTS if uart.wants_cts else 0
        self.uarts[place.uart].configure(UartConfiguration(baud=uart.wire_baud, flow=flow, cts=place.cts))
        self._printer_step()
        self._pico.interrupt()

    def _pin_moved(self, pin: int, level: bool) -> None:
        if pin in self._wiring.pins:
            self._pin_out(self._wiring.pins[pin], 65535 if level else 0, self._pico.nanoseconds / 1e6)
            self._pico.interrupt()

    def _chip_reset(self) -> None:
        """The watchdog, or the program itself."""
        self._forget_life("WDT_RESET")
        asyncio.get_running_loop().call_soon(self._drive_all)

    # -- lives -----------------------------------------------------------------------------------------------------

    def _forget_life(self, cause: str) -> None:
        self._at_rest()
        self._forget_wires()
        at_ms = self._milliseconds()
        self.boots.append((at_ms, cause))
        log.info("the hub starts: %s", cause)
        self._publish({"event": "restart", "cause": cause, "at_ms": at_ms})
        if self._faults["hub_hang"]:
            self._faults["hub_hang"] = False
            self._publish({"event": "virtual_fault", "fault": "hub_hang", "active": False})
        if not self._faults["cable"]:
            self._reopening = asyncio.get_running_loop().create_task(self._reopen())

    async def _reopen(self) -> None:
        """A USB device that starts anew leaves the bus first."""
        self.port.close()
        if not (self._faults["cable"] or self._faults["hub_power"] or self._stopping):
            await self.port.open()

    def _forget_wires(self) -> None:
        self._usb_ahead_bytes = 0
        for uart in self.uarts.values():
            uart.reset()
        self._pace_till()

    def _drive_all(self) -> None:
        """Put the world's levels on the pins again."""
        for pin, level in self._pins.items():
            self._send(wires.PIN_IN, pin, bytes([level]))


class EmulatedServer(Server):
    """The control socket of a counter around an emulated Pico."""

    def __init__(self, start: Start, pico: EmulatedPico, board: dict[str, Any]) -> None:
        super().__init__(start)
        self._pico = pico
        self._board = board

    def _make_counter(self) -> Counter:
        return EmulatedCounter(self._directory, self._options, self._publish, self._pico, self._board)

    async def _command(self, command: str, arguments: dict[str, Any]) -> Any:
        if command == "press_reset":
            assert isinstance(self._counter, EmulatedCounter)
            return self._counter.press_reset()
        return await super()._command(command, arguments)
