"""The counter: the simulated world around one hub: peripherals, wires, pins, watchdog, power, and the faults of all.

Runs in a process of its own (see server.py), so that a killed bridge leaves the hub alive and printing, like a real
one.
Nothing here knows the link's protocol.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from host_bridge.interfaces.services import Receipt, Refused
from host_bridge.virtual import wires, wiring
from host_bridge.virtual.drawer import Drawer
from host_bridge.virtual.edge import Boot
from host_bridge.virtual.engine import ChipProcess
from host_bridge.virtual.led import Led
from host_bridge.virtual.options import Options
from host_bridge.virtual.port import make_port
from host_bridge.virtual.printer import VirtualPrinter
from host_bridge.virtual.scanner import VirtualScanner
from host_bridge.virtual.uart import Uart, UartConfiguration

FAULTS: Final = (
    "cable",
    "hub_power",
    "printer_power",
    "paper_end",
    "paper_near_end",
    "cover_open",
    "cutter",
    "drawer_stuck",
    "drawer_forced",
    "drawer_switch",
    "scanner_unplugged",
    "link_noise",
    "link_silent",
    "hub_hang",
)
BACKUP_CABLE: Final = "backup_cable"  # only where there is a backup path
NOISE_ONE_IN_BYTES: Final = 300  # link_noise flips one bit in about so many bytes
READ_PAUSE_BYTES: Final = 8192  # of the till, waiting for the hub: beyond, they stay with the till's driver
BOOT_INTERVAL_MIN_S: Final = 0.25  # a firmware that resets at once must not eat the till's processor
BOOTS_KEPT: Final = 100
HELD_UP_S: Final = 0.25  # a timer that comes so late shows that this process stood still
PRINTER_STEP_MIN_MS: Final = 1.0  # the mechanics are looked at no more often
PRINTER_CTS: Final = wiring.PRINTER.cts or 0

Publish = Callable[[dict[str, Any]], None]
log = logging.getLogger(__name__)


class Counter:
    """Start it, give it commands, stop it. `publish` gets events as plain dicts with the key `event`."""

    def __init__(self, directory: Path, options: Options, publish: Publish) -> None:
        self._clock = asyncio.get_running_loop()
        self._start = self._clock.time()
        self._directory = directory
        self._options = options
        self._publish = publish
        self._faults = dict.fromkeys((*FAULTS, BACKUP_CABLE) if options.backup_path else FAULTS, False)
        self._noise = random.Random(1)
        self._rtc = b""
        self._chip: ChipProcess | None = None
        self._chip_lock = asyncio.Lock()
        self._power_lock = asyncio.Lock()  # one hand at the plugs at a time
        self._chip_task: asyncio.Task[None] | None = None
        self._stopping = False
        self._last_boot = self._start - BOOT_INTERVAL_MIN_S
        self._watchdog = Watchdog(self._clock, self._bitten)
        self.boots: deque[tuple[int, str]] = deque(maxlen=BOOTS_KEPT)
        self._build_peripherals(options)
        self.port = make_port(directory / "port", self._from_till, self._link.to_world.resume, tcp=options.tcp)
        self.backup_port = make_port(
            directory / "backup-port", self._from_till_by_backup, self._backup_link.to_world.resume, tcp=options.tcp
        )
        self._pins = {
            wiring.SCANNER_SENSE: 1,
            wiring.SAFE_MODE_BUTTON: 1,
            wiring.PRINTER_SENSE: 1,
            PRINTER_CTS: self._printer_busy(),
        }
        self._drawer_switch(closed=True)

    def _build_peripherals(self, options: Options) -> None:
        clock = self._clock
        self.uarts = {
            wiring.LINK.uart: Uart(clock, wiring.LINK, self._to_chip, self._to_till, baud=options.link_baud, usb=True),
            wiring.BACKUP.uart: Uart(
                clock, wiring.BACKUP, self._to_chip, self._to_till_by_backup, baud=options.link_baud, usb=True
            ),
            wiring.PRINTER.uart: Uart(
                clock, wiring.PRINTER, self._to_chip, self._to_printer, baud=options.printer_baud
            ),
            wiring.SCANNER.uart: Uart(
                clock, wiring.SCANNER, self._to_chip, self._to_scanner, baud=options.scanner_baud
            ),
        }
        self._link = self.uarts[wiring.LINK.uart]
        self._backup_link = self.uarts[wiring.BACKUP.uart]
        self._printer_uart = self.uarts[wiring.PRINTER.uart]
        scanner_uart = self.uarts[wiring.SCANNER.uart]
        self.led = Led(clock, (wiring.LED_RED, wiring.LED_GREEN, wiring.LED_BLUE), self._light)
        self._switches = {1: True, 2: True}
        self.drawers = {number: Drawer(clock, self._switch_of(number)) for number in self._switches}
        self.scanner = VirtualScanner(
            scanner_uart.to_chip.push,
            lambda: scanner_uart.to_chip.queued_bytes,
            lambda plugged: self._drive(wiring.SCANNER_SENSE, int(plugged)),
            suffix=options.scanner_suffix.encode(),
            aim_prefix=options.scanner_aim_prefix,
            banner=options.scanner_banner.encode(),
        )
        self.printer = VirtualPrinter(
            reply=self._printer_uart.to_chip.push,
            kick=self._printer_kick,
            receipt=self._receipt_out,
            speed_mm_per_s=options.printer_speed_mm_per_s,
            xon_xoff=options.printer_flow == "xon_xoff",
            macros=options.printer_macros,
            process_id=options.printer_process_id,
            power_notice=options.printer_power_notice,
        )
        self._printer_timer: asyncio.TimerHandle | None = None
        self._printer_uart.peripheral_room = self._printer_room

    async def start(self) -> None:
        """Power on."""
        await self._plug()
        self._link.peripheral_room = self.port.room
        self._backup_link.peripheral_room = self.backup_port.room
        self._request_boot(wires.PWRON_RESET)
        await self._chip_settled()

    async def stop(self) -> None:
        self._stopping = True
        self._watchdog.stop()
        await self._chip_settled()
        async with self._chip_lock:
            await self._kill_chip()
        self.port.forget()
        self.backup_port.forget()

    # What people do at the counter.

    def scan(self, data: str, symbology: str | None) -> None:
        """Raises Refused as VirtualScanner.scan does."""
        if self._faults["hub_power"]:
            raise Refused("scanner_unplugged", "the hub has no power, and so the scanner has none")
        self.scanner.scan(data, symbology)

    def scanner_bytes(self, data: bytes) -> None:
        """Whatever a scanner may send, barcode or not."""
        self.uarts[wiring.SCANNER.uart].to_chip.push(data)

    def faults(self) -> dict[str, bool]:
        return dict(self._faults)

    async def set_fault(self, fault: str, active: bool) -> None:
        """Raises Refused(`fault_unknown`)."""
        if fault not in self._faults:
            raise Refused("fault_unknown", f"no fault {str(fault)[:60]!r}; there are: {', '.join(self._faults)}")
        if self._faults[fault] == active:
            return
        self._faults[fault] = active
        log.info("fault %s %s", fault, "on" if active else "off")
        self._publish({"event": "virtual_fault", "fault": fault, "active": active})
        if fault in ("cable", BACKUP_CABLE, "hub_power"):
            async with self._power_lock:
                await self._power_or_cable(fault)
        elif fault == "drawer_stuck":
            for drawer in self.drawers.values():
                drawer.stuck = active
        elif fault == "drawer_forced":
            if active:
                self.drawers[1].open_with_key()
            else:
                self.drawers[1].close()
        elif fault == "drawer_switch":
            self.drawers[1].set_fluttering(active)
        elif fault == "scanner_unplugged":
            self.scanner.set_plugged(not active)
            if active:
                self.uarts[wiring.SCANNER.uart].to_chip.clear()
        elif fault == "hub_hang":
            self._send(wires.HANG, int(active))
        elif not fault.startswith("link_"):
            self._printer_fault(fault, active)

    def close_drawer(self, drawer: int = 1) -> None:
        self.drawers[drawer].close()
        if drawer == 1 and self._faults["drawer_forced"]:
            self._faults["drawer_forced"] = False
            self._publish({"event": "virtual_fault", "fault": "drawer_forced", "active": False})

    def set_button(self, pressed: bool) -> None:
        """The safe-mode button, held until told otherwise."""
        self._drive(wiring.SAFE_MODE_BUTTON, int(not pressed))

    def receipts(self) -> list[Receipt]:
        return self.printer.receipts_info()

    async def receipt_png(self, n: int) -> bytes | None:
        return await asyncio.to_thread(self.printer.receipt_png, n)

    def receipt_bytes(self, n: int) -> bytes | None:
        return self.printer.receipt_bytes(n)

    def drawer_state(self, drawer: int = 1) -> dict[str, Any]:
        one = self.drawers[drawer]
        return {
            "closed": one.closed,
            "opened": one.opened,
            "energised": one.energised,
            "solenoid_overheated": one.solenoid_overheated,
            "pulses": list(one.pulses),
        }

    def statistics(self) -> dict[str, Any]:
        return {
            "boots": list(self.boots),
            "chip_pid": self._chip.pid if self._chip is not None else None,
            "link_dropped_bytes": self.port.outbox.dropped_bytes,
            "printer_dropped_bytes": self.printer.dropped_bytes,
            "uarts": {str(number): uart.statistics() for number, uart in self.uarts.items()},
        }

    # The chip.

    async def _power_or_cable(self, fault: str) -> None:
        if fault == "hub_power":
            if self._faults["hub_power"]:
                await self._plug()
                await self._power_off()
            else:
                self._request_boot(wires.PWRON_RESET)
        await self._plug()
        await self._chip_settled()

    async def _plug(self) -> None:
        """Have each port there that is plugged in and has power behind it."""
        for port, out in ((self.port, "cable"), (self.backup_port, BACKUP_CABLE)):
            if self._faults.get(out, True) or self._faults["hub_power"]:  # no such cable is as good as pulled
                port.close()
            else:
                await port.open()

    async def _power_off(self) -> None:
        self._watchdog.stop()
        self._rtc = b""
        self._at_rest()
        async with self._chip_lock:
            await self._kill_chip()

    def _request_boot(self, cause: int) -> None:
        """Have the chip start anew; a request while one is under way is part of it."""
        if self._chip_task is None or self._chip_task.done():
            self._chip_task = asyncio.create_task(self._boot(cause))

    async def _chip_settled(self) -> None:
        if self._chip_task is not None:
            await self._chip_task

    async def _boot(self, cause: int) -> None:
        async with self._chip_lock:
            await self._kill_chip()
            await asyncio.sleep(max(0.0, self._last_boot + BOOT_INTERVAL_MIN_S - self._clock.time()))
            if self._faults["hub_power"] or self._stopping:
                return
            self._last_boot = self._clock.time()
            at_ms = self._milliseconds()
            name = wires.CAUSE_NAMES[cause]
            self.boots.append((at_ms, name))
            chip = ChipProcess(self._from_chip, self._chip_ended, self._options.engine)
            boot = Boot(
                unique_id=self._options.unique_id,
                rtc=self._rtc.hex(),
                pins={str(pin): level for pin, level in self._pins.items()},
                ticks_ms=self._options.ticks_start_ms,
            )
            self._chip = chip
            await chip.start(self._directory / "flash", cause, boot)
        log.info("the hub starts: %s", name)
        self._publish({"event": "restart", "cause": name, "at_ms": at_ms})
        if self._faults["hub_hang"]:  # the reset ended it
            self._faults["hub_hang"] = False
            self._publish({"event": "virtual_fault", "fault": "hub_hang", "active": False})

    async def _kill_chip(self) -> None:
        chip, self._chip = self._chip, None
        if chip is not None:
            await chip.kill()
        for uart in self.uarts.values():
            uart.reset()
        self._pace_till()

    def _reset(self, cause: int) -> None:
        if self._chip is not None:
            self._chip.silence()
        if cause != wires.SOFT_RESET:
            self._watchdog.stop()
            self._at_rest()
        self._request_boot(cause)

    def _bitten(self) -> None:
        log.warning("the watchdog resets the hub")
        self._reset(wires.WDT_RESET)

    def _chip_ended(self, chip: ChipProcess) -> None:
        if chip is self._chip and not self._stopping:
            log.error("the chip process ended by itself; starting it again")
            self._reset(wires.HARD_RESET)

    def _at_rest(self) -> None:
        """No pin is driven any more: the LED is dark and no current flows."""
        self.led.rest()
        for drawer in self.drawers.values():
            drawer.power_lost()

    def _send(self, kind: int, number: int = 0, payload: bytes = b"") -> None:
        if self._chip is not None:
            self._chip.send(kind, number, payload)

    def _from_chip(self, frame: wires.Frame) -> None:
        kind, number, payload = frame
        if kind in (wires.UART_CONFIG, wires.UART_TX, wires.UART_TAKEN):
            self._uart_frame(frame)
        elif kind == wires.TEXT:
            self._link.text(payload)
        elif kind == wires.PIN_OUT:
            level, at_us = wires.PIN_OUT_FIELDS.unpack(payload)
            self._pin_out(number, 65535 if level else 0, at_us / 1000)
        elif kind == wires.PWM_OUT:
            self._pin_out(number, wires.PWM_FIELDS.unpack(payload)[0], self._milliseconds())
        elif kind == wires.WDT_START:
            self._watchdog.start(wires.COUNT.unpack(payload)[0])
        elif kind == wires.WDT_FEED:
            self._watchdog.feed()
        elif kind == wires.RESET:
            self._reset(number if number in wires.CAUSE_NAMES else wires.HARD_RESET)
        elif kind == wires.RTC:
            self._rtc = payload[: wires.RTC_BYTES]

    def _uart_frame(self, frame: wires.Frame) -> None:
        uart = self.uarts.get(frame.number)
        if uart is None:
            return
        if frame.kind == wires.UART_CONFIG:
            uart.configure(msgspec.json.decode(frame.payload, type=UartConfiguration))
            self._printer_step()
        elif frame.kind == wires.UART_TX:
            uart.transmit(frame.payload)
        else:
            uart.taken(*wires.UART_COUNT.unpack(frame.payload))
            self._pace_till()

    def _to_chip(self, kind: int, number: int, payload: bytes) -> None:
        self._send(kind, number, payload)

    def _pin_out(self, pin: int, duty: int, at_ms: float) -> None:
        self.led.drive(pin, duty)
        for number, kick_pin in wiring.DRAWER_KICK.items():
            if pin == kick_pin and self._options.drawer_on == "hub":
                self.drawers[number].current(duty > 0, at_ms)

    def _drive(self, pin: int, level: int) -> None:
        if self._pins.get(pin) != level:
            self._pins[pin] = level
            self._send(wires.PIN_IN, pin, bytes([level]))

    # The link's wire.

    def _to_till(self, data: bytes) -> None:
        if not self._faults["link_silent"]:
            self.port.send(self._with_noise(data))

    def _to_till_by_backup(self, data: bytes) -> None:
        self.backup_port.send(data)

    def _from_till(self, data: bytes) -> None:
        if self._faults["link_silent"] or self._chip is None:
            return
        self._link.to_chip.push(self._with_noise(data))
        self._pace_till()

    def _from_till_by_backup(self, data: bytes) -> None:
        if self._chip is not None:
            self._backup_link.to_chip.push(data)
            self._pace_till()

    def _pace_till(self) -> None:
        for port, uart in ((self.port, self._link), (self.backup_port, self._backup_link)):
            port.pause(uart.to_chip.queued_bytes >= READ_PAUSE_BYTES)

    def _with_noise(self, data: bytes) -> bytes:
        if not self._faults["link_noise"]:
            return data
        noisy = bytearray(data)
        for at in range(len(noisy)):
            if not self._noise.randrange(NOISE_ONE_IN_BYTES):
                noisy[at] ^= 1 << self._noise.randrange(8)
        return bytes(noisy)

    # The peripherals.

    def _to_printer(self, data: bytes) -> None:
        self.printer.receive(data, self._clock.time() * 1000)
        self._printer_step()

    def _to_scanner(self, data: bytes) -> None:
        self.scanner.receive(data)

    def _printer_step(self) -> None:
        """Let the mechanics run to now, and come back when they want."""
        if self._printer_timer is not None:
            self._printer_timer.cancel()
            self._printer_timer = None
        now_ms = self._clock.time() * 1000
        due_ms = self.printer.advance(now_ms)
        if due_ms is not None:
            due_ms = max(due_ms, now_ms + PRINTER_STEP_MIN_MS)
            self._printer_timer = self._clock.call_at(due_ms / 1000, self._printer_step)
        busy = self._printer_busy()
        self._drive(PRINTER_CTS, busy)
        if not busy:
            self._printer_uart.to_world.resume()

    def _printer_busy(self) -> int:
        """The level of the CTS line: high is stop."""
        return int(self._printer_room() <= 0)

    def _printer_room(self) -> int:
        """What the printer's lines say that it takes; a dead printer's bare line says yes."""
        if not self.printer.powered and self._options.printer_wiring == "ttl":
            return 1 << 16
        return self.printer.room_bytes()

    def _printer_power(self, on: bool, now_ms: float) -> None:
        if not on:
            self._printer_uart.to_chip.clear()
        self._printer_uart.set_line(low=not on and self._options.printer_wiring == "ttl")
        self._drive(wiring.PRINTER_SENSE, int(on))
        self.printer.set_power(on, now_ms)

    def _printer_fault(self, fault: str, active: bool) -> None:
        now_ms = self._clock.time() * 1000
        if fault == "printer_power":
            self._printer_power(not active, now_ms)
        elif fault == "paper_end":
            self.printer.set_paper_end(active, now_ms)
        elif fault == "paper_near_end":
            self.printer.set_paper_near_end(active, now_ms)
        elif fault == "cover_open":
            self.printer.set_cover_open(active, now_ms)
        elif fault == "cutter":
            self.printer.set_cutter_jam(active, now_ms)
        self._printer_step()

    def _printer_kick(self, connector_pin: int, on_ms: int) -> None:
        if self._options.drawer_on == "printer" and connector_pin + 1 in self.drawers:
            self.drawers[connector_pin + 1].kick(on_ms)

    def _receipt_out(self, n: int) -> None:
        self._publish({"event": "receipt", "n": n})

    def _switch_of(self, drawer: int) -> Callable[[bool], None]:
        """Two drawers on one cable share its switch line: it is closed while both are."""

        def changed(closed: bool) -> None:
            self._switches[drawer] = closed
            self._drawer_switch(all(self._switches.values()))

        return changed

    def _drawer_switch(self, closed: bool) -> None:
        """The switch is in the same cable as the solenoid: hub or printer see it, not both. High is closed."""
        if self._options.drawer_on == "hub":
            self._drive(wiring.DRAWER_SWITCH, int(closed))
        else:
            self.printer.set_drawer_pin3(closed, self._clock.time() * 1000)
            self._printer_step()

    def _light(self, at_ms: int, colour: str) -> None:
        self._publish({"event": "light", "colour": colour, "at_ms": at_ms})

    def _milliseconds(self) -> int:
        """Since the counter's start."""
        return round((self._clock.time() - self._start) * 1000)


class Watchdog:
    """The chip's watchdog timer. Feeding costs nothing; it wakes the loop once a timeout."""

    def __init__(self, clock: asyncio.AbstractEventLoop, bite: Callable[[], None]) -> None:
        self._clock = clock
        self._bite = bite
        self._timeout_s = 0.0
        self._deadline = 0.0
        self._due = 0.0
        self._spared = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self, timeout_ms: int) -> None:
        self._timeout_s = min(timeout_ms, wires.WDT_MAX_MS) / 1000
        self.feed()
        if self._timer is not None:
            self._timer.cancel()
        self._look_at(self._deadline)

    def feed(self) -> None:
        self._deadline = self._clock.time() + self._timeout_s

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._clock.time()
        if now < self._deadline:
            self._spared = False
            self._look_at(self._deadline)
        elif now - self._due > HELD_UP_S and not self._spared:
            self._spared = True
            self._look_at(now + HELD_UP_S)  # what the chip has said meanwhile is heard first
        else:
            self._bite()

    def _look_at(self, when: float) -> None:
        self._due = when
        self._timer = self._clock.call_at(when, self._look)
