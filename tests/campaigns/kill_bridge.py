"""Kill the bridge again and again while it prints, scans and kicks; then count what was lost, doubled or stuck.

    python -m tests.campaigns.kill_bridge --kills 200 --seed 7 [--backup-path]

The virtual hub lives on, as a real one does. Every receipt is sent with an idempotency key until it is acknowledged;
what is acknowledged must be on paper exactly once and be journaled as printed. Every code that the scanner read must be
journaled exactly once, and acknowledged codes must not come again. No kick stays open, and no more pulses than kicks.
With a backup path the hub has two cables, and again and again one of them is out.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from host_bridge.interfaces.services import Refused
from host_bridge.virtual.control import Channel
from host_bridge.virtual.server import Control
from tests.live_bridge import LiveBridge, Till, end_virtual_hub

CONFIG: Final = """
[virtual]
printer_baud_rate = 921600
print_speed_mm_per_s = 1000
[scanner]
expire_ms = 600000
"""
TWO_PATHS: Final = "[virtual]\nbackup_path = true"
CABLE_S: Final = (0.2, 2.0)  # how long a cable is out, and then both are in
PRINTERS: Final = 2
RECEIPT_BYTES: Final = (200, 12_000)
LIFE_S: Final = (0.0, 1.2)  # how long the bridge lives, from its first words on, before it is killed
QUEUE_AHEAD: Final = 6  # receipts that wait for the printer; more would only lengthen the campaign
SCANS_AHEAD: Final = 60
BETWEEN_SCANS_S: Final = (0.02, 0.3)
BETWEEN_KICKS_S: Final = (0.2, 1.5)
SETTLE_DEADLINE_S: Final = 120.0
ANSWER_DEADLINE_S: Final = 10.0
CLOSED_LINES: Final = (aiohttp.ClientError, OSError, TimeoutError)


class Figures(msgspec.Struct):
    """What the campaign counted. `ok` if nothing promised was broken."""

    kills: int = 0
    seconds: float = 0.0
    acknowledged_jobs: int = 0
    repeated_requests: int = 0
    printed_once: int = 0
    printed_twice: int = 0
    lost_jobs: int = 0
    not_confirmed: int = 0
    stuck_jobs: int = 0
    unknown_receipts: int = 0
    scans: int = 0
    lost_scans: int = 0
    doubled_scans: int = 0
    disordered_scans: int = 0
    acknowledged_scans_again: int = 0
    kicks: int = 0
    kicks_opened: int = 0
    kicks_open_in_journal: int = 0
    pulses: int = 0
    slowest_start_s: float = 0.0
    slowest_link_s: float = 0.0
    cables_pulled: int = 0

    @property
    def ok(self) -> bool:
        broken = (
            *(self.printed_twice, self.lost_jobs, self.not_confirmed, self.stuck_jobs, self.unknown_receipts),
            *(self.lost_scans, self.doubled_scans, self.disordered_scans, self.acknowledged_scans_again),
            *(self.kicks_open_in_journal, max(0, self.pulses - self.kicks)),
        )
        return not any(broken)


class Campaign:
    """One bridge, its tills and its killer."""

    def __init__(
        self, folder: Path, kills: int, seed: int, tell: Callable[[str], None], *, backup_path: bool = False
    ) -> None:
        self.figures = Figures()
        self._kills = kills
        self._random = random.Random(seed)
        self._tell = tell
        self._backup_path = backup_path
        self._bridge = LiveBridge(folder / "state", CONFIG.replace("[virtual]", TWO_PATHS) if backup_path else CONFIG)
        self._control = folder / "state" / "virtual-hub" / "control.json"
        self._journal = folder / "state" / "journal.sqlite3"
        self._alive = asyncio.Event()
        self._ending = False
        self._receipts: dict[int, bytes] = {}
        self._jobs: dict[int, str] = {}  # receipt → job, acknowledged
        self._paper: collections.Counter[int] = collections.Counter()
        self._seen_receipts = 0
        self._codes: list[str] = []
        self._seen_scans: set[int] = set()
        self._acknowledged: set[int] = set()

    async def run(self) -> Figures:
        begun = time.monotonic()
        await asyncio.to_thread(self._bridge.start)
        self._hub = Channel(lambda event: None)
        await self._hub.attach(msgspec.json.decode(self._control.read_bytes(), type=Control))
        self._till = Till(self._bridge)
        self._alive.set()
        try:
            await self._till.link_up()
            load = [asyncio.create_task(self._print(number)) for number in range(PRINTERS)]
            load += [asyncio.create_task(part()) for part in (self._scan, self._take_scans, self._kick)]
            if self._backup_path:
                load.append(asyncio.create_task(self._pull_cables()))
            await self._kill_again_and_again(load)
            self._ending = True
            await asyncio.gather(*load)
            await self._settle()
        finally:
            await self._till.close()
            await self._hub.close()
            await asyncio.to_thread(self._bridge.stop)
            end_virtual_hub(self._bridge.state_dir)
        self._judge()
        self.figures.seconds = round(time.monotonic() - begun, 1)
        return self.figures

    # -- the killer ----------------------------------------------------------------------------------------------

    async def _kill_again_and_again(self, load: list[asyncio.Task[None]]) -> None:
        for number in range(1, self._kills + 1):
            life_s = self._random.uniform(*LIFE_S)
            if number % 3 == 0:  # one of three lives long enough to have a link
                await self._till.link_up()
            await asyncio.sleep(life_s)
            self._alive.clear()
            await asyncio.to_thread(self._bridge.kill)
            await self._look_at_paper()
            begun = time.monotonic()
            await asyncio.to_thread(self._bridge.start)
            self.figures.slowest_start_s = round(max(self.figures.slowest_start_s, time.monotonic() - begun), 2)
            self._alive.set()
            self.figures.kills = number
            for task in load:
                if task.done():
                    task.result()
            if number % 10 == 0 or number == self._kills:
                self._tell(
                    f"{number} of {self._kills} kills; {len(self._jobs)} jobs acknowledged, "
                    f"{sum(self._paper.values())} on paper, {len(self._codes)} scans, {self.figures.kicks} kicks"
                )

    # -- the tills -----------------------------------------------------------------------------------------------

    async def _print(self, printer: int) -> None:
        rng = random.Random(self._random.random())
        number = printer
        while not self._ending:
            if len(self._jobs) - sum(self._paper.values()) > QUEUE_AHEAD:
                await self._look_at_paper()
                await asyncio.sleep(0.05)
                continue
            number += PRINTERS
            data = self._receipts[number] = receipt(number, rng.randint(*RECEIPT_BYTES))
            self._jobs[number] = await self._acknowledged_job(number, data)

    async def _acknowledged_job(self, number: int, data: bytes) -> str:
        """Send until the bridge has acknowledged, as a till with an idempotency key does."""
        while True:
            await self._alive.wait()
            try:
                async with asyncio.timeout(ANSWER_DEADLINE_S):
                    return await self._till.print(data, **{"Idempotency-Key": f"receipt-{number}"})
            except CLOSED_LINES:
                self.figures.repeated_requests += 1
                await asyncio.sleep(0.02)

    async def _scan(self) -> None:
        rng = random.Random(self._random.random())
        while not self._ending:
            if len(self._codes) - len(self._seen_scans) >= SCANS_AHEAD:
                await asyncio.sleep(0.05)  # the hub keeps 64: the clerk sees the fault, and waits
                continue
            code = f"CODE-{len(self._codes):06d}"
            try:
                await self._hub.ask("scan", data=code, symbology="]C0")
                self._codes.append(code)
            except Refused as refused:
                if not refused.code.startswith("scanner_"):
                    raise
            await asyncio.sleep(rng.uniform(*BETWEEN_SCANS_S))

    async def _take_scans(self) -> None:
        """A till that acknowledges scans; one that is told `accepted` must never see that scan again."""
        while not self._ending:
            await self._alive.wait()
            try:
                async with self._till.events() as socket:
                    while not self._ending:
                        event = await socket.receive_json(timeout=0.5)
                        if event["type"] == "scan":
                            self._seen_scans.add(event["sequence"])
                            if event["sequence"] in self._acknowledged:
                                self.figures.acknowledged_scans_again += 1
                            await socket.send_json({"type": "ack", "sequence": event["sequence"]})
                        elif event["type"] == "ack" and event["accepted"]:
                            self._acknowledged.add(event["sequence"])
            except (*CLOSED_LINES, TypeError, ValueError):  # aiohttp: a closed socket's message is no JSON
                await asyncio.sleep(0.02)

    async def _kick(self) -> None:
        rng = random.Random(self._random.random())
        while not self._ending:
            await self._alive.wait()
            self.figures.kicks += 1
            try:
                async with asyncio.timeout(ANSWER_DEADLINE_S):
                    _, kick = await self._till.post("/api/v1/drawer/open", json={"time_to_live_ms": 1000})
                self.figures.kicks_opened += kick.get("state") == "opened"
            except CLOSED_LINES:
                pass
            await self._hub.ask("close_drawer")
            await asyncio.sleep(rng.uniform(*BETWEEN_KICKS_S))

    async def _pull_cables(self) -> None:
        """One after the other, never both: there is always a way."""
        rng = random.Random(self._random.random())
        while not self._ending:
            cable = rng.choice(("cable", "backup_cable"))
            for out in (True, False):
                await self._hub.ask("set_fault", fault=cable, active=out)
                await asyncio.sleep(rng.uniform(*CABLE_S))
            self.figures.cables_pulled += 1

    # -- counting ------------------------------------------------------------------------------------------------

    async def _look_at_paper(self) -> None:
        """Take the receipts that came out since; the printer keeps only the newest."""
        for info in await self._hub.ask("receipts"):
            if info["n"] <= self._seen_receipts:
                continue
            self._seen_receipts = info["n"]
            encoded = await self._hub.ask("receipt_bytes", n=info["n"])
            data = msgspec.convert(encoded, bytes, strict=False)
            number = next((number for number, wanted in self._receipts.items() if wanted == data), None)
            if number is None:
                self.figures.unknown_receipts += 1
                self._tell(f"receipt {info['n']} is none that was sent: {data[:60]!r} ... ({len(data)} bytes)")
            else:
                self._paper[number] += 1

    async def _settle(self) -> None:
        """Give the last jobs and scans their time."""
        end = time.monotonic() + SETTLE_DEADLINE_S
        while time.monotonic() < end:
            begun = time.monotonic()
            state = await self._till.link_up()
            self.figures.slowest_link_s = round(time.monotonic() - begun, 2)
            newest = (await self._till.get("/api/v1/scans?newest=1"))["scans"]
            arrived = not self._codes or (bool(newest) and newest[-1]["data"] == self._codes[-1])
            if state["devices"]["printer"]["queued_jobs"] == 0 and arrived:
                break
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.5)  # a receipt too many would come now
        await self._look_at_paper()
        self.figures.pulses = len((await self._hub.ask("drawer_state"))["pulses"])

    def _query(self, sql: str) -> list[Any]:
        """From the journal's file, once the bridge has let go of it."""
        connection = sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def _judge(self) -> None:
        figures = self.figures
        states = dict(self._query("SELECT job_id, state FROM jobs"))
        figures.acknowledged_jobs = len(self._jobs)
        figures.printed_once = sum(count == 1 for count in self._paper.values())
        figures.printed_twice = sum(count > 1 for count in self._paper.values())
        for number, job in self._jobs.items():
            state = states.get(job)
            figures.lost_jobs += state is None or (state == "printed" and not self._paper[number])
            figures.stuck_jobs += state in ("queued", "sending")
            figures.not_confirmed += state in ("unconfirmed", "failed", "cancelled")
        journaled = [bytes(raw).decode() for (raw,) in self._query("SELECT raw FROM scans ORDER BY sequence")]
        figures.scans = len(self._codes)
        if set(journaled) != set(self._codes):
            self._tell(f"scans lost: {sorted(set(self._codes) - set(journaled))}")
            self._tell(f"scans that nobody read: {sorted(set(journaled) - set(self._codes))}")
        figures.lost_scans = len(set(self._codes) - set(journaled))
        figures.doubled_scans = len(journaled) - len(set(journaled))
        figures.disordered_scans = sum(one > other for one, other in itertools.pairwise(journaled))
        figures.kicks_open_in_journal = self._query("SELECT count(*) FROM kicks WHERE state = 'requested'")[0][0]


def receipt(number: int, size_bytes: int) -> bytes:
    """A receipt that no other number has: a picture of its own, ended by a cut."""
    rows = max(1, size_bytes // 72)
    picture = random.Random(number).randbytes(72 * rows)
    return b"\x1b@receipt %d\n\x1dv0\x00\x48\x00%b%b\n\x1dV\x42\x00" % (number, rows.to_bytes(2, "little"), picture)


def run(
    kills: int, seed: int, folder: Path, tell: Callable[[str], None] = print, *, backup_path: bool = False
) -> Figures:
    """The whole campaign, in a loop of its own."""
    return asyncio.run(Campaign(folder, kills, seed, tell, backup_path=backup_path).run())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--backup-path", action="store_true", help="a hub of two cables, one of them out at times")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="counterhub-kills-") as folder:
        figures = run(
            options.kills,
            options.seed,
            Path(folder),
            lambda line: print(line, flush=True),
            backup_path=options.backup_path,
        )
    for name, value in msgspec.structs.asdict(figures).items():
        print(f"{name:26} {value}")
    print("every promise held" if figures.ok else "PROMISES BROKEN")
    return 0 if figures.ok else 1


if __name__ == "__main__":
    sys.exit(main())
