"""Each shipped board file on a `machine` that has what its port of MicroPython has, and refuses what it refuses.

Read from MicroPython 1.28, ports/rp2 and ports/esp32: machine_timer.c, machine_uart.c, machine_pin.c, machine_wdt.c,
machine_rtc.c, modmachine.c. 1.24 differs in `Timer.init`, which has no `hard` on the esp32 port and before 1.26.
"""

from __future__ import annotations

import ast
import json
import types
from pathlib import Path
from typing import Any

import pytest

from host_bridge.boards import chips, files
from tests.firmware import board as bench
from tests.firmware.board import PWRON_RESET, WDT_RESET, Board, Life, Line
from tests.firmware.test_kick_pins import Rmt
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, until

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
SHIPPED = [name for name in files.shipped() if name != "virtual"]
LINK = {"transport": "uart", "profile": "usb", "uart": 0, "tx": 0, "rx": 1, "baud_rate": 115_200}  # the bench's console
ESP32_TIMERS = 4
ESP32_FIFO_BYTES = 128
ESP32_INIT_WAITS_MS = 1000  # for what a UART holds
UART_OPTIONS = {"baudrate", "bits", "parity", "stop", "tx", "rx", "rts", "cts", "txbuf", "rxbuf", "timeout"}
UART_OPTIONS |= {"timeout_char", "invert", "flow"}
# What both ports have; what one has alone the firmware asks for by hasattr, getattr or sys.platform.
COMMON = {
    "machine": {"Pin", "UART", "Timer", "WDT", "RTC", "mem32", "reset", "reset_cause", "unique_id", "PWRON_RESET"}
    | {"WDT_RESET"},
    "Pin": {"IN", "OUT", "PULL_UP", "PULL_DOWN", "IRQ_RISING", "IRQ_FALLING"},
    "UART": {"CTS", "RTS", "INV_TX", "INV_RX", "IRQ_RXIDLE", "IRQ_BREAK"},
    "Timer": {"ONE_SHOT", "PERIODIC"},
}


def of_port(name: str) -> Board:
    """A board as it is shipped, with its chip."""
    values = files.board_file(files.read(name).text)
    chip = chips.CHIPS[values["chip"]]
    is_esp32 = values["chip"].startswith("esp32")
    hub = Board({**values, "link": LINK} if "uart" not in values["link"] else values)
    hub.platform = "esp32" if is_esp32 else "rp2"
    hub.has_led = not is_esp32
    hub.pins = max(chip.gpios) + 1
    Rmt.made = []
    if is_esp32:
        hub.modules["esp32"] = types.ModuleType("esp32")
        hub.modules["esp32"].RMT = Rmt  # type: ignore[attr-defined]

    def adapt(machine: Any, life: Life) -> None:
        machine.Pin = _pin(machine.Pin, chip, is_esp32)
        machine.UART = _uart(machine.UART, chip, is_esp32)
        machine.Timer = _esp32_timer(machine.Timer, life) if is_esp32 else _rp2_timer(machine.Timer)

    hub.adapt = adapt
    return hub


def _pin(base: Any, chip: chips.Chip, is_esp32: bool) -> Any:
    class PortPin(base):  # type: ignore[misc]
        def __init__(self, number: Any, mode: int = bench.Pin.IN, pull: int = -1, value: int | None = None) -> None:
            if isinstance(number, int) and number not in chip.gpios:
                raise ValueError("invalid pin")
            if is_esp32 and mode == self.OUT and number in chip.input_only:
                raise ValueError("pin can only be input")
            super().__init__(number, mode, pull, value)
            self.gpio = number

        def irq(self, handler: Any, trigger: int = 0, **options: Any) -> None:
            if is_esp32 and options:
                raise TypeError("extra keyword arguments given")
            super().irq(handler, trigger, **options)

    return PortPin


def _uart(base: Any, chip: chips.Chip, is_esp32: bool) -> Any:
    class PortUart(base):  # type: ignore[misc]
        def __init__(self, number: int, **options: Any) -> None:
            assert set(options) <= UART_OPTIONS
            if is_esp32 and min(options["txbuf"], options["rxbuf"]) <= ESP32_FIFO_BYTES:
                raise OSError(-1, "ESP_FAIL")  # uart_driver_install: greater than UART_HW_FIFO_LEN
            if number not in chip.uarts:
                raise ValueError(f"UART({number}) doesn't exist")
            is_console = number == 0 and options["tx"].gpio == LINK["tx"]
            if number == chip.console_uart and not is_console:
                raise ValueError("REPL UART buffer size is fixed")
            for signal in ("tx", "rx", "cts"):
                if signal in options and not is_console and options[signal].gpio not in chip.pins_for(number, signal):
                    raise ValueError(f"bad {signal.upper()} pin")
            super().__init__(number, **options)
            self._installed = options

        def init(self, **options: Any) -> None:
            if is_esp32 and self._installed and self.line.tx:
                self.life.pass_ms(ESP32_INIT_WAITS_MS)
            assert self._installed or self.life.board.version >= (1, 27), "no driver: the first setting is refused"
            self._installed = {**self._installed, **options}  # what is not named stays, or is as a new one has it
            super().init(**options)

        def deinit(self) -> None:
            assert is_esp32
            self._installed = {}
            super().deinit()

        def write(self, data: bytes) -> int | None:
            line: Line = self.line
            if is_esp32 and len(line.tx) + len(data) > line.tx_limit // 2:
                raise AssertionError("uart_write_bytes waits for room, and the whole program with it")
            return base.write(self, data)

    return PortUart


def _rp2_timer(base: Any) -> Any:
    class PortTimer(base):  # type: ignore[misc]
        def __init__(self, number: int = -1) -> None:
            if number != -1:
                raise ValueError("Timer doesn't exist")
            super().__init__(number)

    return PortTimer


def _esp32_timer(base: Any, life: Life) -> Any:
    taken: set[int] = set()

    class PortTimer(base):  # type: ignore[misc]
        def __init__(self, number: int) -> None:
            if not 0 <= number < ESP32_TIMERS:
                raise ValueError("invalid Timer number")
            assert number not in taken, "one and the same timer for two users"
            taken.add(number)
            super().__init__(number)

        def init(self, *, mode: int, period: int, callback: Any, hard: bool = False) -> None:
            if hard:
                raise ValueError("hard Timers are not implemented")
            super().init(mode=mode, period=period, callback=callback)

    return PortTimer


@pytest.mark.parametrize("name", SHIPPED)
def test_the_hub_starts_whole_on_each_shipped_board(name: str) -> None:
    async def main() -> None:
        hub = of_port(name)
        started = hub.start()
        await seconds(70)
        assert (hub.resets, started._problems) == ([PWRON_RESET], [])
        running = {task.name for task in started.supervisor._tasks}
        assert {"printer_write", "scanner", "drawer", "indicator"} <= running

    run_in_virtual_time(main())


@pytest.mark.parametrize("name", ["esp32_devkitc", "esp32_s3_devkitc"])
def test_a_backup_link_on_an_esp32s_console_is_told_by_its_key(name: str) -> None:
    async def main() -> None:
        hub = of_port(name)
        values = json.loads(hub.files.texts["board.json"])
        values["backup_link"] = {**LINK, "tx": 13, "rx": 14}
        hub.files.texts["board.json"] = json.dumps(values)
        assert hub.start()._problems == ["board.json: backup_link.uart: REPL UART buffer size is fixed"]

    run_in_virtual_time(main())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_hung_loop_is_witnessed_and_ended_on_each_shipped_board(name: str) -> None:
    async def main() -> None:
        hub = of_port(name)
        started = hub.start()
        await seconds(1)
        task = next(task for task in started.supervisor._tasks if task.name == "scanner")
        task.work("scan")
        await until(lambda: len(hub.resets) > 1, 20)
        assert hub.resets[-1] == WDT_RESET
        assert hub.life and hub.life.module("survival").last_crumb().startswith("late:scanner:scan")

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_busy_printer_holds_up_no_esp32_and_gets_every_byte_in_order() -> None:
    hub = of_port("esp32_devkitc")
    started = hub.start()
    await seconds(1)
    line, paper = hub.line(1), bytearray()
    line.bytes_per_s, busy = 11_520, [False]
    line.take = paper.extend
    line.room = lambda: 0 if busy[0] else 1 << 20
    job = bytes(range(1, 241)) * 20
    started.printer.phase = 1  # receiving
    started.printer._total_bytes = len(job)
    for at in range(0, len(job), 240):
        started.printer._on_job_data(job[at : at + 240])
    await seconds(0.1)
    busy[0] = True  # and stays so for longer than any watchdog
    before = len(paper)
    await seconds(20)
    assert len(paper) == before and hub.resets == [PWRON_RESET]
    busy[0] = False
    await seconds(3)
    assert bytes(paper).endswith(job) and len(job) / 11_520 < 3


@pytest.mark.parametrize(
    ("version", "waits"), [((1, 28, 0, ""), False), ((1, 27, 0, ""), False), ((1, 26, 1, ""), True)]
)
def test_a_job_given_up_on_a_busy_printer_holds_up_no_esp32(version: tuple[int | str, ...], waits: bool) -> None:
    """Before 1.27 it does, for a second: there nothing but a new UART follows a `deinit`."""

    async def main() -> None:
        hub = of_port("esp32_devkitc")
        hub.version = version
        started = hub.start()
        await seconds(1)
        line, uart = hub.line(1), started.printer._uart
        opened = uart._installed
        assert opened["flow"] == uart.CTS
        line.room = lambda: 0
        started.printer._on_job_begin(7, 2400, b"")
        for _ in range(3):
            started.printer._on_job_data(b"x" * 240)
        await seconds(0.1)
        assert line.tx
        started.printer._abort(1)
        await seconds(0.1)
        assert not line.tx and hub.ticks_offset == (ESP32_INIT_WAITS_MS if waits else 0)
        assert {**uart._installed, "tx": 0, "rx": 0, "cts": 0} == {**opened, "tx": 0, "rx": 0, "cts": 0}
        line.on_break()
        assert started.printer._power.lost

        paper = bytearray()
        line.take, line.room = paper.extend, lambda: 1 << 20
        await seconds(3)
        assert paper and b"x" not in paper  # its status is asked for, and nothing of the job comes

    run_in_virtual_time(main())


def test_the_firmware_uses_only_what_both_ports_have() -> None:
    for path in sorted((FIRMWARE / "hub").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                if name in COMMON and (name != "machine" or isinstance(owner, ast.Name)):
                    assert node.attr in COMMON[name], f"{path.name}:{node.lineno}: {name}.{node.attr}"
