"""A full disk: new jobs are refused with that reason, running ones go on, everybody is told, and it clears."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FAST_PRINTER
from tests.live_bridge import LiveBridge, Till, end_virtual_hub, in_time, lone_port, next_event
from tests.web.chromium import chromium_page, find_chromium

pytestmark = pytest.mark.virtual_hub

DISK_BYTES = 48 << 20
MIN_FREE_BYTES = 8 << 20
NAMED_WITHIN_S = 2.0
CLEARED_WITHIN_S = 4.0
MORE_THAN_ANY_DISK_BYTES = 1 << 40
WITH_MIN_FREE = f"{FAST_PRINTER}\n[journal]\nmin_free_bytes = "
CUT = b"\n\n\x1dV\x42\x00"


def receipt(number: int, lines: int = 3) -> bytes:
    return b"\x1b@receipt %d\n" % number + b"a line of a receipt, and one more\n" * lines + CUT


def full(state: Any) -> Any:
    """The state, if it names the full disk and the LED shows it."""
    codes = [fault["code"] for fault in state["faults"]]
    return state if "journal_full" in codes and state["indicator"]["pattern"] == "fault:journal_full" else None


def clear(state: Any) -> bool:
    return not state["faults"] and state["indicator"]["pattern"] == "ready"


async def refused_everywhere(till: Till, bridge: LiveBridge) -> None:
    """Neither way in takes a job: HTTP says why, and port 9100 refuses the connection, so that tills try again."""
    headers = {"Content-Type": "application/octet-stream"}
    status, problem = await till.post("/api/v1/print", data=receipt(99), headers=headers)
    assert (status, problem["code"]) == (507, "journal_full")
    assert "make room on it" in problem["detail"]
    async with asyncio.timeout(20):
        while True:  # the port looks each quarter of a second
            try:
                _, writer = await asyncio.open_connection(bridge.raw_host, bridge.raw_port)
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def print_raw(bridge: LiveBridge, data: bytes) -> None:
    """As clients do: try again while the connection is refused."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(bridge.raw_host, bridge.raw_port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
                continue
            writer.write(data)
            await writer.drain()
            writer.close()
            return


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, small enough to fill."""
    if sys.platform != "linux":
        pytest.skip("a disk of a few megabytes is made with Linux's tmpfs: a full disk was not tried")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    made = subprocess.run(["mount", *options], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"this user may not mount a file system ({made.stderr.strip()}): a full disk was not tried")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def bridge(small_disk: Path) -> Iterator[LiveBridge]:
    """A bridge that lives on the small disk, with its log and the virtual hub's files."""
    live = LiveBridge(small_disk / "state", WITH_MIN_FREE + str(MIN_FREE_BYTES), raw_port=lone_port())
    live.start()
    yield live
    try:
        live.stop()
    finally:
        end_virtual_hub(live.state_dir)


class Ballast:
    """A file that leaves the disk as much room as wanted."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "ballast"

    def leave(self, free_bytes: int) -> None:
        self._file.unlink(missing_ok=True)
        size_bytes = shutil.disk_usage(self._disk).free - free_bytes
        with self._file.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size_bytes)

    def fill(self) -> None:
        """Until the system itself says that the disk is full."""
        with self._file.open("ab") as file:
            while True:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), 4096)
                except OSError:
                    return

    def drop(self) -> None:
        self._file.unlink()


@pytest.fixture
def ballast(small_disk: Path) -> Ballast:
    return Ballast(small_disk)


async def test_it_is_named_new_jobs_are_refused_and_it_clears(till: Till, bridge: LiveBridge, ballast: Ballast) -> None:
    async def once() -> bool:
        ballast.leave(MIN_FREE_BYTES - (1 << 20))
        begun = time.monotonic()
        await till.until(full)
        named_s = time.monotonic() - begun
        ballast.drop()
        begun = time.monotonic()
        await till.until(clear)
        return named_s < NAMED_WITHIN_S and time.monotonic() - begun < CLEARED_WITHIN_S

    await in_time(once)

    ballast.leave(MIN_FREE_BYTES - (1 << 20))
    state = await till.until(full)
    remedy = next(fault["remedy"] for fault in state["faults"] if fault["code"] == "journal_full")
    assert remedy["en"] and remedy["zh"]
    colours = {step["colour"] for step in state["indicator"]["steps"]}
    # and the LED itself really blinks so
    await till.until(lambda lights: {light["colour"] for light in lights[-2:]} == colours, "/virtual/light")
    await refused_everywhere(till, bridge)

    ballast.drop()

    await till.until(clear)
    assert (await till.final(await till.print(receipt(1))))["state"] == "printed"
    await print_raw(bridge, receipt(2))
    await till.until(lambda papers: len(papers) == 2, "/virtual/receipts")
    assert await till.get("/virtual/receipts/2.bin") == receipt(2)


async def test_with_not_a_byte_left_the_jobs_scans_and_kicks_go_on(
    till: Till, bridge: LiveBridge, ballast: Ballast
) -> None:
    await till.fault("cover_open", True)
    await till.until(lambda state: state["devices"]["printer"]["cover_open"])
    jobs = [await till.print(receipt(number, 40)) for number in range(1, 4)]

    ballast.leave(MIN_FREE_BYTES // 2)
    ballast.fill()
    await till.until(lambda state: [one for one in state["faults"] if one["code"] == "journal_full"])
    await refused_everywhere(till, bridge)
    await till.fault("cover_open", False)

    assert [(await till.final(job))["state"] for job in jobs] == ["printed"] * 3
    assert [await till.get(f"/virtual/receipts/{n}.bin") for n in (1, 2, 3)] == [receipt(n, 40) for n in (1, 2, 3)]
    async with till.events() as socket:
        await till.post("/virtual/scan", json={"data": "4006381333931", "symbology": "]E0"})
        scan = await next_event(socket, "scan")
        await socket.send_json({"type": "ack", "sequence": scan["sequence"]})
        assert (await next_event(socket, "ack"))["accepted"] is True
    status, kick = await till.post("/api/v1/drawer/open")
    assert (status, kick["state"]) == (200, "opened")

    ballast.drop()
    await till.until(clear)
    assert (await till.final(await till.print(receipt(4))))["state"] == "printed"


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine: the page was not opened in a browser")
async def test_the_page_says_what_to_do(till: Till, bridge: LiveBridge, ballast: Ballast) -> None:
    ballast.leave(MIN_FREE_BYTES // 2)
    await till.until(full)
    chromium = find_chromium()
    assert chromium is not None
    situation = "document.getElementById('situation').innerText"
    async with chromium_page(chromium) as page:
        await page.look(language="en-GB")
        await page.open(bridge.http_url)
        await page.until(f"{situation}.includes('journal_full') && {situation}.includes('Free some disk space')")
        ballast.drop()
        await page.until(f"{situation}.includes('Everything works')")


async def test_a_bridge_started_on_a_disk_with_too_little_room_prints_what_it_had_taken(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    bridge = LiveBridge(state_dir, FAST_PRINTER)
    bridge.start()
    till = Till(bridge)
    try:
        await till.link_up()
        await till.fault("cover_open", True)
        await till.until(lambda state: state["devices"]["printer"]["cover_open"])
        job = await till.print(receipt(1))
        bridge.kill()

        bridge = LiveBridge(state_dir, WITH_MIN_FREE + str(MORE_THAN_ANY_DISK_BYTES), raw_port=lone_port())
        bridge.start()
        await till.close()
        till = Till(bridge)
        await till.until(lambda state: [one for one in state["faults"] if one["code"] == "journal_full"])
        await refused_everywhere(till, bridge)
        await till.fault("cover_open", False)
        assert (await till.final(job))["state"] == "printed"
    finally:
        await till.close()
        bridge.stop()
        end_virtual_hub(state_dir)
