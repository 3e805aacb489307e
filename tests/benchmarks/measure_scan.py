"""A scan from the serial port to a WebSocket client, beside the disk's own commit and beside ser2net."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
import time

from hublink.frame import DATA, FrameWriter
from tests.benchmarks.bench import SEED, Bench, PlainCommit, article
from tests.benchmarks.figures import Figure, Peer, median, percentile, spread
from tests.benchmarks.measure_line import time_scans

HOST_GOAL_MS = 1.5
SER2NET = "ser2net"
START_DEADLINE_S = 30.0
SCAN_CODE = 0x20


async def scan_to_websocket(bench: Bench) -> list[Figure]:
    count = bench.pick(5, 400)
    rig = await bench.rig(in_memory=True)
    with bench.progress("scans to a WebSocket, journal in memory", count) as advance:
        host = await time_scans(rig, count, advance)
    rig = await bench.rig()
    commit = PlainCommit(bench.directory / "plain.sqlite3")
    commits: list[float] = []
    try:
        with bench.progress("scans to a WebSocket, journal on the disk", count) as advance:
            whole = await time_scans(rig, count, advance, before=lambda: commits.append(commit.time_ms()))
    finally:
        commit.close()
    bare = await _bare_terminal(bench, count)
    peer_times = await _ser2net(bench, count)
    missing = Peer(name="ser2net to TCP", value=None, note="not installed (Debian: apt-get install ser2net)")

    def peer(share: float) -> Peer:
        return missing if peer_times is None else Peer(name="ser2net to TCP", value=percentile(peer_times, share))

    figures = [
        Figure(
            name="without the disk (journal in memory), median",
            value=median(host),
            unit="ms",
        ),
        Figure(
            name="without the disk (journal in memory), p99",
            value=percentile(host, 0.99),
            unit="ms",
            goal=HOST_GOAL_MS,
            note="of which the pseudo-terminal that stands for the port, alone and in the same run, took "
            f"{median(bare):.2f} ms in the median and {percentile(bare, 0.99):.2f} ms at p99",
            detail=spread(host) | {f"terminal_{key}": value for key, value in spread(bare).items()},
        ),
        Figure(
            name="beside the disk: p99 less a plain commit's p99",
            value=percentile(whole, 0.99) - percentile(commits, 0.99),
            unit="ms",
            goal=HOST_GOAL_MS,
            note=f"a plain commit on the same disk before each scan took {median(commits):.2f} ms in the median and "
            f"{percentile(commits, 0.99):.2f} ms at p99",
            detail={f"commit_{key}": value for key, value in spread(commits).items()},
        ),
    ]
    for name, share in (("median", 0.5), ("p99", 0.99)):
        goal = None if peer_times is None else percentile(peer_times, share)
        figures.append(
            Figure(
                name=f"the whole, journal on the disk, {name}",
                value=percentile(whole, share),
                unit="ms",
                goal=goal,
                peer=peer(share),
                detail=spread(whole) | {f"ser2net_{key}": value for key, value in spread(peer_times or [0.0]).items()},
            )
        )
    return figures


async def _bare_terminal(bench: Bench, count: int) -> list[float]:
    """Milliseconds from a write at one end of a pseudo-terminal to the read at the other: the system hands the bytes
    over in a thread of its own, which waits for a processor like any other."""
    import pty
    import tty

    master, slave = pty.openpty()
    tty.setraw(slave)
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(slave, arrived.set)
    chance = random.Random(SEED)
    data = FrameWriter(True).frame(DATA, SCAN_CODE, 7, 1, 0, b"\0" * 9 + b"]E0" + article(1).encode())
    times = []
    try:
        with bench.progress("the same bytes through a bare pseudo-terminal", count) as advance:
            for _ in range(count):
                await asyncio.sleep(chance.uniform(0.012, 0.030))
                started = time.perf_counter()
                os.write(master, data)
                await arrived.wait()
                times.append((time.perf_counter() - started) * 1000)
                os.read(slave, len(data))
                arrived.clear()
                advance()
        return times
    finally:
        loop.remove_reader(slave)
        os.close(master)
        os.close(slave)


async def _ser2net(bench: Bench, count: int) -> list[float] | None:
    """Milliseconds that ser2net takes with its own defaults for the same bytes, from a pseudo-terminal to TCP."""
    program = shutil.which(SER2NET) or shutil.which(SER2NET, path="/usr/sbin:/sbin")
    if program is None:
        return None
    import pty
    import tty

    master, slave = pty.openpty()
    tty.setraw(slave)
    port = _free_port()
    config = bench.directory / "ser2net.yaml"
    config.write_text(
        f"connection: &bench\n  accepter: tcp,127.0.0.1,{port}\n"
        f"  connector: serialdev,{os.ttyname(slave)},115200n81,local\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [program, "-n", "-u", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        reader, writer = await _connect(port)
        with bench.progress("the same bytes through ser2net", count) as advance:
            times = []
            chance = random.Random(SEED)
            make = FrameWriter(True)
            for number in range(count):
                data = make.frame(DATA, SCAN_CODE, 7, number, 0, b"\0" * 9 + b"]E0" + article(number).encode())
                await asyncio.sleep(chance.uniform(0.012, 0.030))
                started = time.perf_counter()
                os.write(master, data)
                async with asyncio.timeout(START_DEADLINE_S):
                    await reader.readexactly(len(data))
                times.append((time.perf_counter() - started) * 1000)
                advance()
        writer.close()
        return times
    finally:
        process.terminate()
        process.wait()
        os.close(master)
        os.close(slave)


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Once ser2net listens, and has opened its port for us."""
    async with asyncio.timeout(START_DEADLINE_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            await asyncio.sleep(0.2)  # it says nothing when its side of the pseudo-terminal is open
            return reader, writer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
