"""The bridge's side: starting, finding, losing and stopping the counter process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from host_bridge.events import Event, LightEvent, ReceiptEvent, VirtualFaultEvent
from host_bridge.interfaces.services import Refused
from host_bridge.virtual import flash
from host_bridge.virtual.control import DIRECTORY, VirtualHub, VirtualHubError
from host_bridge.virtual.engine import package_environment
from host_bridge.virtual.options import Options
from tests.virtual.till import Till

DEADLINE_S = 60.0
BOARD: dict[str, Any] = {"name": "test"}

# Copies the link to the printer and back, shows boots and its board, blinks when told.
FIRMWARE = """
import asyncio, json
from machine import UART, Pin
async def copy(source, target):
    reader, writer = asyncio.StreamReader(source), asyncio.StreamWriter(target, {})
    buffer = bytearray(512)
    while True:
        count = await reader.readinto(buffer)
        writer.write(memoryview(buffer)[:count])
        await writer.drain()
async def main():
    link = UART(0, 115200, rxbuf=4096, txbuf=4096)
    printer = UART(1, 115200, tx=Pin(4), rx=Pin(5), cts=Pin(6), flow=UART.CTS, txbuf=512, rxbuf=1024)
    with open("board.json") as file:
        print("<board", json.load(file)["name"], ">")
    Pin(19, Pin.OUT, value=1)
    asyncio.create_task(copy(link, printer))
    await copy(printer, link)
asyncio.run(main())
"""


class Site:
    """One state directory, its firmware, and the bridges that came and went."""

    def __init__(self, folder: Path) -> None:
        self.state_dir = folder / "state"
        self.firmware = folder / "firmware"
        (self.firmware / "hublink").mkdir(parents=True)  # its own, so that no installed one comes in
        self.write_firmware(FIRMWARE)
        self.events: list[Event] = []
        self.restarts: list[str] = []
        self.hubs: list[VirtualHub] = []
        self._news = asyncio.Event()

    def write_firmware(self, text: str) -> None:
        (self.firmware / "main.py").write_text(textwrap.dedent(text))

    async def hub(self, *, board: dict[str, Any] = BOARD, **options: Any) -> VirtualHub:
        hub = VirtualHub(self._take_event, self._take_restart)
        self.hubs.append(hub)
        await hub.start(self.state_dir, board=board, options=Options(**options), firmware=self.firmware)
        return hub

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not met():
                self._news.clear()
                await self._news.wait()

    def control(self) -> dict[str, Any]:
        return dict(json.loads((self.state_dir / DIRECTORY / "control.json").read_text()))

    def _take_event(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def _take_restart(self, cause: str) -> None:
        self.restarts.append(cause)
        self._news.set()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    for hub in site.hubs:
        await hub.stop()


async def until_gone(pid: int) -> None:
    """Wait until a process that is not ours has ended."""
    async with asyncio.timeout(DEADLINE_S):
        while Path(f"/proc/{pid}/stat").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text():
            await asyncio.sleep(0.02)


async def test_a_receipt_goes_all_the_way_and_its_picture_comes_back(site: Site) -> None:
    hub = await site.hub()
    till = Till(hub.port)
    await site.until(lambda: any(isinstance(event, LightEvent) for event in site.events))
    job = b"\x1b@Thank you\n\n\n\x1dV\x00"
    await till.write(job)
    await site.until(lambda: ReceiptEvent(n=1) in site.events)
    (receipt,) = await hub.receipts()
    assert receipt.n == 1 and receipt.size_bytes == len(job) and receipt.cut
    assert await hub.receipt_bytes(1) == job
    png = await hub.receipt_png(1)
    assert png is not None and png.startswith(b"\x89PNG")
    assert await hub.receipt_bytes(2) is None and await hub.receipt_png(99) is None
    assert (await hub.lights())[-1][1] == "#00ff00"
    till.close()


async def test_pictures_asked_for_all_at_once_come_all_and_nobody_waits_for_them(site: Site) -> None:
    hub = await site.hub(printer_speed_mm_per_s=5000)
    till = Till(hub.port)
    await till.until(b"<board test >")
    await till.write(b"line\n" * 100 + b"\x1dV\x00")
    await site.until(lambda: ReceiptEvent(n=1) in site.events)
    pictures = [asyncio.create_task(hub.receipt_png(1)) for _ in range(3)]
    await hub.set_fault("paper_near_end", True)
    drawn = await asyncio.gather(*pictures)
    assert drawn[0] is not None and len(set(drawn)) == 1
    till.close()


async def test_the_board_file_and_only_code_reach_the_flash(site: Site) -> None:
    kept = site.state_dir / DIRECTORY / "flash"
    kept.mkdir(parents=True)
    (kept / "of_the_hub.bin").write_bytes(b"kept")
    (kept / "hub").mkdir()
    (kept / "hub" / "old.py").write_text("gone")
    hub = await site.hub(board={"name": "kiosk 中文"})
    till = Till(hub.port)
    await till.until("<board kiosk 中文 >".encode())
    names = {path.relative_to(kept).as_posix() for path in kept.rglob("*")}
    assert "of_the_hub.bin" in names and "board.json" in names and "hub/old.py" not in names
    assert not any("__pycache__" in name for name in names)
    till.close()


async def test_faults_are_set_told_and_remembered(site: Site) -> None:
    hub = await site.hub()
    assert hub.faults()["paper_end"] is False
    await hub.set_fault("paper_end", True)
    assert hub.faults()["paper_end"] is True
    await site.until(lambda: VirtualFaultEvent(fault="paper_end", active=True) in site.events)
    with pytest.raises(Refused) as refused:
        await hub.set_fault("gremlins", True)
    assert refused.value.code == "fault_unknown" and "cable" in refused.value.detail


@pytest.mark.parametrize("data", ["", "x" * 8000])
async def test_refusals_of_the_scanner_reach_the_caller(site: Site, data: str) -> None:
    hub = await site.hub()
    with pytest.raises(Refused) as refused:
        await hub.scan(data, None)
    assert refused.value.code == "scan_invalid"


async def test_a_bridge_that_was_killed_leaves_the_hub_alive_and_the_next_one_finds_it(site: Site) -> None:
    program = f"""
import asyncio
from pathlib import Path
from host_bridge.virtual.control import VirtualHub
from host_bridge.virtual.options import Options
async def main():
    hub = VirtualHub()
    state_dir, firmware = Path({str(site.state_dir)!r}), Path({str(site.firmware)!r})
    await hub.start(state_dir, board={BOARD!r}, options=Options(), firmware=firmware)
    await hub.set_fault("paper_near_end", True)
    print("up", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""
    bridge = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=package_environment())
    assert bridge.stdout is not None
    assert await asyncio.to_thread(bridge.stdout.readline) == b"up\n"
    before = site.control()
    bridge.send_signal(signal.SIGKILL)
    await asyncio.to_thread(bridge.wait)
    bridge.stdout.close()  # the hub's process does not keep it open: reading it would have ended
    hub = await site.hub()
    assert site.control()["pid"] == before["pid"]
    assert hub.faults()["paper_near_end"] is True
    assert [cause for _, cause in (await hub.statistics())["boots"]] == ["PWRON_RESET"]


async def test_the_hub_goes_on_printing_while_no_bridge_is_there(site: Site) -> None:
    hub = await site.hub(printer_speed_mm_per_s=2000)
    till = Till(hub.port)
    await till.until(b"<board test >")
    await till.write(b"line\n" * 300 + b"\x1dV\x00")
    till.close()
    await hub.detach()
    hub = await site.hub(printer_speed_mm_per_s=2000)
    async with asyncio.timeout(DEADLINE_S):
        while not await hub.receipts():
            await asyncio.sleep(0.05)
    assert await hub.receipt_bytes(1) == b"line\n" * 300 + b"\x1dV\x00"


async def test_a_clean_stop_takes_the_hub_along_and_leaves_no_port(site: Site) -> None:
    hub = await site.hub()
    pid, chip = site.control()["pid"], (await hub.statistics())["chip_pid"]
    await hub.stop()
    await until_gone(pid)
    await until_gone(chip)
    assert not os.path.lexists(hub.port)
    assert not (site.state_dir / DIRECTORY / "control.json").exists()
    with pytest.raises(Refused) as refused:
        await hub.receipts()
    assert refused.value.code == "virtual_hub_unavailable"


async def test_a_hub_that_nobody_wants_ends_by_itself_and_its_chip_with_it(site: Site) -> None:
    hub = await site.hub(orphan_timeout_s=0.3)
    pid, chip = site.control()["pid"], (await hub.statistics())["chip_pid"]
    await hub.detach()
    await until_gone(pid)
    await until_gone(chip)


async def test_a_counter_process_that_is_killed_takes_its_chip_along_and_is_started_again(site: Site) -> None:
    hub = await site.hub()
    chip = (await hub.statistics())["chip_pid"]
    os.kill(site.control()["pid"], signal.SIGKILL)
    await until_gone(chip)
    await site.until(lambda: "counter" in site.restarts)
    assert await hub.receipts() == []
    till = Till(hub.port)
    till.close()


async def test_resets_of_the_hub_are_reported(site: Site) -> None:
    site.write_firmware("import machine, time\nmachine.WDT(timeout=500)\ntime.sleep(100)\n")
    await site.hub()
    await site.until(lambda: "WDT_RESET" in site.restarts)


async def test_other_firmware_replaces_the_running_counter(site: Site) -> None:
    hub = await site.hub()
    first = site.control()["pid"]
    await hub.detach()
    site.write_firmware(FIRMWARE.replace("<board", "<new board"))
    hub = await site.hub()
    assert site.control()["pid"] != first
    till = Till(hub.port)
    await till.until(b"<new board test >")
    till.close()


@pytest.mark.parametrize("content", ["", "{}", '{"host":"127.0.0.1","port":1,"token":"x","pid":1,"fingerprint":"f"}'])
async def test_what_a_dead_counter_left_behind_does_no_harm(site: Site, content: str) -> None:
    folder = site.state_dir / DIRECTORY
    folder.mkdir(parents=True)
    (folder / "control.json").write_text(content)
    (folder / "port").symlink_to("/dev/pts/none")
    hub = await site.hub()
    till = Till(hub.port)
    await till.until(b"<board test >")
    till.close()


async def test_the_control_file_is_private_and_strangers_are_not_let_in(site: Site) -> None:
    hub = await site.hub()
    mode = (site.state_dir / DIRECTORY / "control.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    control = site.control()
    for line in (b"\n", b"{}\n", b'{"token":"wrong"}\n', b'{"token":1}\n', b"\xff" * 1000 + b"\n", b"x" * 300_000):
        reader, writer = await asyncio.open_connection(control["host"], control["port"])
        writer.write(line)
        if not line.endswith(b"\n"):
            writer.write_eof()
        assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
        writer.close()
    assert await hub.receipts() == []


async def test_nonsense_on_the_control_socket_is_refused_or_ends_that_connection_only(site: Site) -> None:
    hub = await site.hub()
    with pytest.raises(Refused) as refused:
        await hub._ask("dance")
    assert refused.value.code == "command_unknown"
    with pytest.raises(Refused) as refused:
        await hub._ask("scan", colour="red")
    assert refused.value.code == "command_invalid"
    control = site.control()
    reader, writer = await asyncio.open_connection(control["host"], control["port"])
    writer.write(json.dumps({"token": control["token"]}).encode() + b"\nno json\n")
    answer = await asyncio.wait_for(reader.read(), DEADLINE_S)
    assert answer.count(b"\n") == 1 and b'"hello"' in answer
    writer.close()
    assert await hub.receipts() == []


async def test_an_idle_counter_sleeps(site: Site) -> None:
    site.write_firmware("from machine import Pin\nPin(19, Pin.OUT, value=1)")
    hub = await site.hub()
    await site.until(lambda: any(isinstance(event, LightEvent) for event in site.events))
    async with asyncio.timeout(DEADLINE_S):  # on a busy machine the chip is not at its prompt yet
        while True:
            before = (await hub.statistics())["wakeups"]
            await asyncio.sleep(0.5)  # the time itself is what is measured
            if (await hub.statistics())["wakeups"] - before <= 3:  # two for this question
                return


async def test_a_state_directory_that_cannot_be_written_is_named(site: Site) -> None:
    site.state_dir.write_text("a file in the way")
    with pytest.raises(VirtualHubError, match="can't be written"):
        await site.hub()


def test_the_projects_own_firmware_is_found() -> None:
    assert (flash.find_firmware() / "main.py").is_file()
