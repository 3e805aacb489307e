"""The real bridge in a process of its own, on a port of the benchmark's, with what the system says of its costs."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

ROOT = Path(__file__).resolve().parents[2]
STOP_DEADLINE_S = 60.0
ANSWER_DEADLINE_S = 30.0
READ_BYTES = 1 << 16
_READY = re.compile(r"dashboard http://([\d.]+):(\d+), receipt printer (?:[a-z]\S* )?([\d.]+):(\d+)")


class Costs(NamedTuple):
    """What a process has used so far."""

    cpu_s: float
    resident_bytes: int
    at: float

    def share_since(self, before: Costs) -> float:
        """Of one core."""
        return (self.cpu_s - before.cpu_s) / (self.at - before.at)


class BridgeProcess:
    """`python -m host_bridge run` on free ports."""

    def __init__(
        self, directory: Path, config: str, *, state_dir: Path, several: bool = False, on_uart: bool = False
    ) -> None:
        """`several`: the configuration has [hubs.NAME] tables, each with its own raw port. `on_uart`: the link has the
        numbers of a UART, not those of USB."""
        self._several = several
        self._module = "tests.benchmarks.bridge_on_uart" if on_uart else "host_bridge"
        self.directory = directory
        self._state_dir = state_dir
        self._config = config
        self._process: subprocess.Popen[str] | None = None
        self.http = ("127.0.0.1", 0)
        self.raw = ("127.0.0.1", 0)

    def start(self) -> None:
        """RuntimeError with its log if it does not come up."""
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "bench.toml"
        file.write_text(self._config, encoding="utf-8")
        command = [sys.executable, "-m", self._module, "run", "--http", "127.0.0.1:0"]
        command += [] if self._several else ["--raw", "127.0.0.1:0"]
        command += ["--state-dir", str(self._state_dir), "--config", str(file)]
        paths = os.pathsep.join((str(ROOT), str(ROOT / "firmware")))
        environment = {**os.environ, "PYTHONPATH": paths, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": "en"}
        log_path = self.directory / "bridge.log"
        with log_path.open("a") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert self._process.stdout is not None
        found = _READY.search(line := self._process.stdout.readline())
        if found is None:
            self.stop()
            raise RuntimeError(f"the bridge did not start: {line!r}\n{log_path.read_text(encoding='utf-8')}")
        self.http = found[1], int(found[2])
        self.raw = found[3], int(found[4])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def costs(self) -> Costs:
        """Processor time of all its threads, and its resident memory (Linux)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # utime, stime; proc(5) counts from 1 and the name was the second
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        cpu_s = ticks / os.sysconf("SC_CLK_TCK")
        return Costs(cpu_s, pages * os.sysconf("SC_PAGE_SIZE"), time.perf_counter())

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


class Stamped(NamedTuple):
    """An event of the bridge and when the first byte of it was there, on `time.perf_counter`."""

    at: float
    event: dict[str, Any]


class EventSocket:
    """A WebSocket client on a bare socket, so that its own cost is next to nothing."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._buffer = bytearray()
        self._events: asyncio.Queue[Stamped] = asyncio.Queue()  # the measurement reads each
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        host, port = self._address
        reader, self._writer = await asyncio.open_connection(host, port, limit=READ_BYTES)
        key = base64.b64encode(os.urandom(16)).decode()
        self._writer.write(
            f"GET /api/v1/events HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"the bridge did not open a WebSocket: {head!r}")
        self._task = asyncio.create_task(self._read(reader))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._writer is not None:
            self._writer.close()

    async def next(self, kind: str, deadline_s: float = ANSWER_DEADLINE_S) -> Stamped:
        """The next event of that type; others are passed over."""
        async with asyncio.timeout(deadline_s):
            while True:
                stamped = await self._events.get()
                if stamped.event["type"] == kind:
                    return stamped

    async def link(self, status: str, deadline_s: float = ANSWER_DEADLINE_S) -> Stamped:
        """The next word of the link that it is `status`."""
        while True:
            stamped = await self.next("link", deadline_s)
            if stamped.event["link"]["status"] == status:
                return stamped

    def acknowledge(self, sequence: int) -> None:
        self._send(0x1, msgspec.json.encode({"type": "ack", "sequence": sequence}))

    def forget(self) -> None:
        """Drop what has not been read."""
        while not self._events.empty():
            self._events.get_nowait()

    def _send(self, opcode: int, payload: bytes) -> None:
        """A client's frame is masked; a mask of zeros is one."""
        assert self._writer is not None and len(payload) < 126
        self._writer.write(bytes((0x80 | opcode, 0x80 | len(payload))) + b"\0\0\0\0" + payload)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(READ_BYTES):
            at = time.perf_counter()
            self._buffer += data
            while self._take_frame(at):
                pass

    def _take_frame(self, at: float) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        length, start = buffer[1] & 0x7F, 2
        if length == 126:
            start = 4
            length = struct.unpack_from(">H", buffer, 2)[0] if len(buffer) >= start else READ_BYTES
        elif length == 127:
            start = 10
            length = struct.unpack_from(">Q", buffer, 2)[0] if len(buffer) >= start else READ_BYTES
        if len(buffer) < start + length:
            return False
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + length])
        del buffer[: start + length]
        if opcode == 0x1:
            self._events.put_nowait(Stamped(at, msgspec.json.decode(payload)))
        elif opcode == 0x9:
            self._send(0xA, payload)
        return True


class RawTill:
    """A till on the raw port: one connection, any number of jobs."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._address)

    async def send(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def finish(self) -> None:
        """Shut the writing side and wait until the bridge closes: the last job is final."""
        assert self._writer is not None and self._reader is not None
        self._writer.write_eof()
        await self._reader.read()
        self._writer.close()


async def fetch_json(address: tuple[str, int], path: str) -> Any:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"GET {path}: {head!r}")
        return msgspec.json.decode(body)
    finally:
        writer.close()
