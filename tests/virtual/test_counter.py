"""The counter around a hub that runs tiny firmware."""

from __future__ import annotations

import asyncio
import itertools
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import serial

from host_bridge.interfaces.services import Refused
from host_bridge.virtual import wiring
from host_bridge.virtual.counter import FAULTS, Counter, Watchdog
from host_bridge.virtual.options import Options
from host_bridge.virtual.printer import BUFFER_BYTES
from tests.virtual.clock import ManualClock
from tests.virtual.till import Till

DEADLINE_S = 60.0  # four starts of a chip on a machine that is busy with others

ECHO = """
import asyncio
import itertools
from machine import UART
async def echo():
    uart = UART(0, 115200, rxbuf=2048, txbuf=2048)
    reader, writer = asyncio.StreamReader(uart), asyncio.StreamWriter(uart, {})
    while not uart.any():
        uart.write(b"<ready>")
        await asyncio.sleep_ms(30)
    buffer = bytearray(512)
    while True:
        count = await reader.readinto(buffer)
        writer.write(memoryview(buffer)[:count])
        await writer.drain()
asyncio.run(echo())
"""

BOOT_REPORT = """
import machine, time
machine.UART(0, 115200)
causes = {getattr(machine, name): name for name in dir(machine) if name.endswith("_RESET")}
print("<boot", causes[machine.reset_cause()], machine.RTC().memory(), ">")
"""

PRINT_AND_LINK = """
import asyncio
import itertools
from machine import UART, Pin
async def copy(source, target, size):
    reader, writer = asyncio.StreamReader(source), asyncio.StreamWriter(target, {{}})
    buffer = bytearray(size)
    while True:
        count = await reader.readinto(buffer)
        writer.write(memoryview(buffer)[:count])
        await writer.drain()
async def main():
    link = UART(0, 115200, rxbuf=4096, txbuf=4096)
    printer = UART(1, {baud}, tx=Pin(4), rx=Pin(5), {flow} txbuf=512, rxbuf=1024)
    print("<ready>")
    asyncio.create_task(copy(link, printer, 512))
    await copy(printer, link, 64)
asyncio.run(main())
"""
CTS = "cts=Pin(6), flow=UART.CTS,"


class Place:
    """A counter with its events, and the till that is plugged in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "virtual-hub"
        self.events: list[dict[str, Any]] = []
        self.counters: list[Counter] = []
        self._news = asyncio.Event()

    async def start(self, main: str, **options: Any) -> Counter:
        flash = self.folder / "flash"
        flash.mkdir(parents=True)
        (flash / "main.py").write_text(textwrap.dedent(main))
        counter = Counter(self.folder, Options(**options), self._publish)
        self.counters.append(counter)
        await counter.start()
        return counter

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait for an event after which `met` holds."""
        async with asyncio.timeout(DEADLINE_S):
            while not met():
                self._news.clear()
                await self._news.wait()

    def colours(self) -> list[str]:
        return [event["colour"] for event in self.events if event["event"] == "light"]

    def causes(self) -> list[str]:
        return [event["cause"] for event in self.events if event["event"] == "restart"]

    def _publish(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self._news.set()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    for counter in place.counters:
        await counter.stop()


@pytest.mark.parametrize("tcp", [False, True])
async def test_the_till_talks_with_the_hub_through_its_port(place: Place, tcp: bool) -> None:
    counter = await place.start(ECHO, tcp=tcp)
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    sent = bytes(range(256)) * 400
    writing = asyncio.create_task(till.write(sent))
    await till.until(sent)
    await writing
    till.close()


@pytest.mark.parametrize("tcp", [False, True])
async def test_pyserial_opens_the_port_and_opens_it_again(place: Place, tcp: bool) -> None:
    counter = await place.start(ECHO, tcp=tcp)

    def exchange(data: bytes) -> bytes:
        with serial.serial_for_url(counter.port.address, 115200, timeout=10, write_timeout=10) as port:
            if data.startswith(b"first"):
                port.read_until(b"<ready>")
            port.write(data)
            return bytes(port.read_until(data))

    for data in (b"first\x00\x03\x11\x13\r\n\xff", b"second"):
        assert (await asyncio.to_thread(exchange, data)).endswith(data)


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_pulled_cable_is_noticed_and_the_port_comes_back_under_the_same_name(place: Place, tcp: bool) -> None:
    counter = await place.start(ECHO, tcp=tcp)
    address = counter.port.address
    till = Till(address)
    await till.until(b"<ready>")
    await counter.set_fault("cable", True)
    await asyncio.wait_for(till.gone.wait(), DEADLINE_S)
    with pytest.raises(OSError):
        Till(address)
    await counter.set_fault("cable", False)
    till = Till(address)
    await till.until(b"<ready>")
    await till.write(b"after")
    await till.until(b"after")
    till.close()
    assert place.causes() == ["PWRON_RESET"]  # the hub lived on


async def test_the_hub_never_waits_for_a_till_that_does_not_read(place: Place) -> None:
    counter = await place.start(
        """
        import asyncio
        from machine import UART, Pin
        async def main():
            uart = UART(0, 115200, txbuf=1024)
            writer = asyncio.StreamWriter(uart, {})
            for n in range(200):
                writer.write(b"%05d " % n + b"." * 994)
                await writer.drain()
            Pin(19, Pin.OUT, value=1)
            while True:
                writer.write(b"<alive>")
                await writer.drain()
                await asyncio.sleep_ms(20)
        asyncio.run(main())
        """
    )
    await place.until(lambda: "#00ff00" in place.colours())
    assert counter.statistics()["link_dropped_bytes"] > 100_000
    till = Till(counter.port.address)
    await till.until(b"<alive>")
    till.close()


async def test_a_flooding_till_is_held_back_while_the_hub_hangs_and_loses_nothing(place: Place) -> None:
    counter = await place.start(ECHO)
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await counter.set_fault("hub_hang", True)
    flood = bytes(range(251)) * 1000
    taken = 0
    for _ in range(100):
        taken += till.write_some(flood[taken:])
        await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        while (more := till.write_some(flood[taken:])) or counter.uarts[0].to_chip.queued_bytes < 8192:
            taken += more
            await asyncio.sleep(0.001)
    assert taken < 64 * 1024
    await counter.set_fault("hub_hang", False)
    await till.until(flood[:taken])
    till.close()


async def test_silence_lets_nothing_pass_and_noise_flips_bits(place: Place) -> None:
    counter = await place.start(ECHO)
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await counter.set_fault("link_silent", True)
    await till.write(b"unheard")
    await asyncio.sleep(0.1)  # nothing to wait for: nothing is to happen
    await counter.set_fault("link_silent", False)
    await till.write(b"heard")
    await till.until(b"heard")
    assert b"unheard" not in till.received
    await counter.set_fault("link_noise", True)
    before = len(till.received)
    await till.write(bytes(8000))
    await till.until_count(before + 8000)
    flipped = [byte for byte in till.received[before:] if byte]
    assert 5 < len(flipped) < 200
    till.close()


async def test_a_hung_firmware_is_reset_by_the_watchdog(place: Place) -> None:
    await place.start(
        BOOT_REPORT
        + """
if machine.reset_cause() == machine.PWRON_RESET:
    machine.RTC().memory(b"crumb")
    led = machine.Pin(18, machine.Pin.OUT, value=1)
    watchdog = machine.WDT(timeout=300)
    for n in range(8):
        time.sleep_ms(100)
        watchdog.feed()
    while True:
        pass
"""
    )
    await place.until(lambda: place.causes() == ["PWRON_RESET", "WDT_RESET"])
    boots = [event["at_ms"] for event in place.events if event["event"] == "restart"]
    assert boots[1] - boots[0] >= 1000  # it was fed for 800 ms and then waited 300
    assert place.colours() == ["#ff0000", "#000000"]  # a reset puts the pins to rest


async def test_rtc_memory_survives_a_reset_but_not_a_power_cut(place: Place) -> None:
    counter = await place.start(
        BOOT_REPORT
        + """
if machine.RTC().memory() == b"":
    machine.RTC().memory(b"kept")
    machine.reset()
"""
    )
    till = Till(counter.port.address)
    await till.until(b"<boot HARD_RESET b'kept' >")
    await counter.set_fault("hub_power", True)
    await asyncio.wait_for(till.gone.wait(), DEADLINE_S)
    place.events.clear()
    await counter.set_fault("hub_power", False)
    till = Till(counter.port.address)
    text = await till.until(b"<boot HARD_RESET b'kept' >")
    assert place.causes()[0] == "PWRON_RESET"
    assert text.count(b"b'kept'") == 1
    till.close()


async def test_a_hang_is_ended_by_the_watchdog_alone_and_the_fault_clears_itself(place: Place) -> None:
    counter = await place.start(
        BOOT_REPORT
        + """
watchdog = machine.WDT(timeout=1500)
machine.Pin(18, machine.Pin.OUT, value=1)
while True:
    watchdog.feed()
    time.sleep_ms(20)
"""
    )
    await place.until(lambda: bool(place.colours()))  # a hang before there is a watchdog has no end
    await counter.set_fault("hub_hang", True)
    await place.until(lambda: place.causes() == ["PWRON_RESET", "WDT_RESET"])
    await place.until(lambda: not counter.faults()["hub_hang"])
    assert place.events[-1] == {"event": "virtual_fault", "fault": "hub_hang", "active": False}


def test_a_watchdog_hears_the_chip_first_when_the_host_stood_still() -> None:
    clock: Any = ManualClock()
    bites: list[float] = []
    watchdog = Watchdog(clock, lambda: bites.append(clock.time()))
    watchdog.start(4000)
    clock.stand_still(60)
    assert not bites
    watchdog.feed()  # it was in the pipe all the time
    clock.advance(3.9)
    assert not bites
    clock.advance(0.2)
    assert len(bites) == 1  # nothing came


def test_a_watchdog_bites_also_on_a_host_that_always_stands_still() -> None:
    clock: Any = ManualClock()
    bites: list[float] = []
    watchdog = Watchdog(clock, lambda: bites.append(clock.time()))
    watchdog.start(4000)
    for _ in range(3):
        clock.stand_still(5)
    assert bites


async def test_a_firmware_that_resets_at_once_does_not_race(place: Place) -> None:
    counter = await place.start("import machine\nmachine.reset()")
    await place.until(lambda: len(place.causes()) >= 4)
    boots = [at_ms for at_ms, _ in counter.boots]
    assert min(later - earlier for earlier, later in itertools.pairwise(boots)) >= 240


async def test_hands_that_fight_over_the_plugs_leave_things_as_the_last_one_said(place: Place) -> None:
    counter = await place.start(ECHO)
    hands = [counter.set_fault(fault, n % 2 == 0) for n in range(6) for fault in ("hub_power", "cable")]
    await asyncio.gather(*hands)
    assert not any(counter.faults().values())
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    till.close()


async def test_power_cut_in_the_middle_of_a_pulse_ends_it_and_darkens_the_led(place: Place) -> None:
    counter = await place.start(
        """
        from machine import Pin
        Pin(18, Pin.OUT, value=1)
        Pin(14, Pin.OUT, value=1)
        Pin(19, Pin.OUT, value=1)
        """
    )
    await place.until(lambda: "#ffff00" in place.colours())
    assert counter.drawer_state()["energised"]
    await counter.set_fault("hub_power", True)
    assert not counter.drawer_state()["energised"]
    await place.until(lambda: place.colours()[-1] == "#000000")
    with pytest.raises(Refused) as refused:
        counter.scan("123", None)
    assert refused.value.code == "scanner_unplugged"


KICK = """
import time
from machine import Pin, Timer
kick = Pin(14, Pin.OUT, value=0)
red = Pin(18, Pin.OUT, value=0)
switch = Pin(16, Pin.IN)
switch.irq(lambda pin: red.value(1 - pin.value()), trigger=Pin.IRQ_RISING | Pin.IRQ_FALLING)
blue = Pin(20, Pin.OUT, value=0)
def end_pulse(timer):
    kick.off()
    blue.on()
kick.on()
Timer(-1, mode=Timer.ONE_SHOT, period=200, callback=end_pulse)
while True:
    time.sleep_ms(1000)
"""


async def test_the_drawer_opens_tells_its_switch_and_can_be_closed(place: Place) -> None:
    counter = await place.start(KICK)
    await place.until(lambda: place.colours()[-1:] == ["#ff00ff"])  # the drawer is open, and the pulse at its end
    assert not counter.drawer_state()["closed"]
    counter.close_drawer()
    await place.until(lambda: place.colours()[-1:] == ["#0000ff"])
    state = counter.drawer_state()
    assert state["closed"] and state["opened"] == 1
    assert state["pulses"][0][1] >= 195  # how much longer is the host's affair: it may have held the chip's process up


async def test_a_drawer_on_the_printer_is_kicked_by_the_printer_alone(place: Place) -> None:
    counter = await place.start(PRINT_AND_LINK.format(baud=115200, flow=CTS), drawer_on="printer")
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await till.write(b"\x1dr\x02" + b"\x1bp\x00\x32\x32" + b"\n")
    await till.until_count(len(b"<ready>\r\n") + 1)
    async with asyncio.timeout(DEADLINE_S):
        while counter.drawer_state()["closed"]:
            await asyncio.sleep(0.005)
    till.received.clear()
    await till.write(b"\x1dr\x02")
    assert not (await till.until_count(1))[0] & 1  # pin 3 low: open
    till.close()


async def test_a_drawer_on_the_hub_ignores_the_printers_kick_connector(place: Place) -> None:
    counter = await place.start(PRINT_AND_LINK.format(baud=115200, flow=CTS))
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await till.write(b"\x1bp\x00\x32\x32" + b"\x1dr\x01")
    await till.until_count(len(b"<ready>\r\n") + 1)
    assert not counter.drawer_state()["pulses"]
    till.close()


async def test_100_kb_pass_a_busy_printer_without_losing_a_byte(place: Place) -> None:
    counter = await place.start(
        PRINT_AND_LINK.format(baud=1_000_000, flow=CTS), printer_baud=1_000_000, printer_speed_mm_per_s=3000
    )
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    raster = b"\x1dv0\x00" + bytes([72, 0, 200, 0]) + bytes(range(240)) * 60  # 200 rows of 576 dots
    job = raster * 7 + b"\x1dV\x00"
    assert len(job) > 100_000
    await till.write(job)
    await place.until(lambda: any(event["event"] == "receipt" for event in place.events))
    assert counter.receipt_bytes(1) == job
    assert counter.printer.dropped_bytes == 0
    till.close()


async def test_the_wire_to_a_busy_printer_stops_and_its_cts_pin_says_so(place: Place) -> None:
    counter = await place.start(
        PRINT_AND_LINK.format(baud=115200, flow=CTS)
        .replace("async def main():", "async def main():\n    watch()")
        .replace(
            "async def copy",
            """def watch():
    led, cts = Pin(18, Pin.OUT, value=0), Pin(6, Pin.IN)
    cts.irq(lambda pin: led.value(pin.value()))
async def copy""",
            1,
        ),
        printer_speed_mm_per_s=5000,
    )
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await counter.set_fault("cover_open", True)
    await till.write(b"line\n" * 1000)
    await place.until(lambda: place.colours() == ["#ff0000"])
    carried = counter.uarts[1].to_world.carried_bytes
    assert carried <= BUFFER_BYTES
    await counter.set_fault("cover_open", False)
    await place.until(lambda: "#000000" in place.colours())
    await till.write(b"\x1dV\x00")
    await place.until(lambda: any(event["event"] == "receipt" for event in place.events))
    assert counter.receipt_bytes(1) == b"line\n" * 1000 + b"\x1dV\x00" and counter.printer.dropped_bytes == 0
    till.close()


async def test_without_flow_control_a_printer_that_is_busy_throws_bytes_away(place: Place) -> None:
    counter = await place.start(PRINT_AND_LINK.format(baud=115200, flow=""))
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await counter.set_fault("cover_open", True)
    await till.write(b"line\n" * 1000)
    async with asyncio.timeout(DEADLINE_S):
        while counter.uarts[1].to_world.carried_bytes < 5000:
            await asyncio.sleep(0.01)
    assert counter.printer.dropped_bytes > 500
    till.close()


async def test_the_line_to_the_printer_keeps_its_baud_rate(place: Place) -> None:
    counter = await place.start(PRINT_AND_LINK.format(baud=19200, flow=CTS), printer_baud=19200)
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    loop = asyncio.get_running_loop()
    start = loop.time()
    await till.write(b" " * 960 + b"\x1dr\x01")
    await till.until_count(len(b"<ready>\r\n") + 1)
    assert loop.time() - start >= 963 * 10 / 19200
    till.close()


async def test_at_another_speed_the_printer_reads_garbage(place: Place) -> None:
    counter = await place.start(PRINT_AND_LINK.format(baud=9600, flow=""))
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await till.write(b"text\n\x1dV\x00")
    async with asyncio.timeout(DEADLINE_S):
        while counter.uarts[1].to_world.carried_bytes < 8:
            await asyncio.sleep(0.01)
    assert counter.receipts() == []
    till.close()


async def test_a_uart_on_the_wrong_pins_reaches_nothing(place: Place) -> None:
    counter = await place.start(PRINT_AND_LINK.format(baud=115200, flow="").replace("Pin(4)", "Pin(12)"))
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await till.write(b"text\n\x1dV\x00")
    async with asyncio.timeout(DEADLINE_S):
        while counter.uarts[1].to_world.carried_bytes < 8:
            await asyncio.sleep(0.01)
    assert counter.printer.captured_bytes == 0
    till.close()


SCANS = """
import asyncio
import itertools
from machine import UART, Pin
async def main():
    scanner = UART(2, 9600, tx=Pin(8), rx=Pin(9), rxbuf={rxbuf})
    sense = Pin(10, Pin.IN)
    sense.irq(lambda pin: print("<sense", pin.value(), ">"))
    print("<plugged", sense.value(), ">")
    reader = asyncio.StreamReader(scanner)
    while True:
        await asyncio.sleep_ms({pause_ms})
        print("<scan", await reader.read(256), scanner.overruns, ">")
asyncio.run(main())
"""


async def test_a_scan_crosses_the_scanners_line_and_pulling_the_scanner_shows_at_its_pin(place: Place) -> None:
    counter = await place.start(SCANS.format(rxbuf=1024, pause_ms=150))
    till = Till(counter.port.address)
    await till.until(b"<plugged 1 >")
    counter.scan("4006381333931", "EAN13")
    await till.until(b"<scan b']E04006381333931\\r' 0 >")
    await counter.set_fault("scanner_unplugged", True)
    await till.until(b"<sense 0 >")
    with pytest.raises(Refused, match="unplugged"):
        counter.scan("1", None)
    await counter.set_fault("scanner_unplugged", False)
    await till.until(b"<sense 1 >")
    till.close()


async def test_a_receive_ring_that_is_too_small_loses_what_comes_too_fast(place: Place) -> None:
    counter = await place.start(SCANS.format(rxbuf=64, pause_ms=300))
    till = Till(counter.port.address)
    await till.until(b"<plugged 1 >")
    counter.scan("x" * 99, None)
    await till.until(b" 36 >")
    till.close()


async def test_a_paced_link_carries_the_same_bytes(place: Place) -> None:
    counter = await place.start(ECHO, link_baud=115200)
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    loop = asyncio.get_running_loop()
    start = loop.time()
    await till.write(bytes(range(256)) * 6)
    await till.until(bytes(range(256)) * 6)
    assert loop.time() - start >= 1536 * 10 / 115200
    till.close()


async def test_every_fault_can_be_set_and_cleared_in_any_order_and_says_so(place: Place) -> None:
    counter = await place.start(ECHO)
    for fault in FAULTS:
        await counter.set_fault(fault, True)
        await counter.set_fault(fault, True)
    assert all(counter.faults()[fault] for fault in FAULTS)
    for fault in FAULTS:
        await counter.set_fault(fault, False)
    assert not any(counter.faults().values())
    told = [event for event in place.events if event["event"] == "virtual_fault"]
    assert len(told) == 2 * len(FAULTS)
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    await till.write(b"well")
    await till.until(b"well")
    till.close()


async def test_an_unknown_fault_is_refused_with_the_names_that_exist(place: Place) -> None:
    counter = await place.start("")
    with pytest.raises(Refused, match="paper_end") as refused:
        await counter.set_fault("gremlins", True)
    assert refused.value.code == "fault_unknown"


async def test_the_safe_mode_button_is_a_pin_that_people_press(place: Place) -> None:
    counter = await place.start(
        f"""
        from machine import Pin
        led = Pin(20, Pin.OUT, value=0)
        button = Pin({wiring.SAFE_MODE_BUTTON}, Pin.IN, Pin.PULL_UP)
        button.irq(lambda pin: led.value(1 - pin.value()))
        print("<ready>")
        """
    )
    till = Till(counter.port.address)
    await till.until(b"<ready>")
    counter.set_button(True)
    await place.until(lambda: place.colours() == ["#0000ff"])
    counter.set_button(False)
    await place.until(lambda: place.colours() == ["#0000ff", "#000000"])
    till.close()
