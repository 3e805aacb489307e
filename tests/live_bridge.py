"""A real bridge in its own process, with a virtual hub, for tests that use it as a till would."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import msgspec

from host_bridge.virtual.control import Channel
from host_bridge.virtual.server import Control

ROOT = Path(__file__).resolve().parents[1]
READY_DEADLINE_S = 30.0
STOP_DEADLINE_S = 60.0
POLL_S = 0.02  # between two looks at the state, where no event tells
TRIES = 5  # of what is promised within a time
_READY = re.compile(r"dashboard (http://\S+), receipt printer (?:[a-z]\S* )?([\d.]+):(\d+)")
_NAMED_PRINTER = re.compile(r"(\w+) [\d.]+:(\d+)")


class LiveBridge:
    """`counterhub run --virtual` on free ports. Start and kill it as often as wanted on one state directory."""

    def __init__(
        self, state_dir: Path, config: str = "", hubs: int = 1, module: str = "host_bridge", raw_port: int = 0
    ) -> None:
        """`module`: what is run in its place. `raw_port`: 0: any."""
        self.state_dir = state_dir
        self.http_url = ""
        self.raw_host = "127.0.0.1"
        self.raw_port = 0
        self.raw_ports: dict[str, int] = {}  # of several hubs, by name
        self._hubs = hubs
        self._module = module
        self._raw = f"127.0.0.1:{raw_port}"
        self._config = state_dir / "test.toml"
        state_dir.mkdir(parents=True, exist_ok=True)
        self._config.write_text(config, encoding="utf-8")
        self._log = state_dir / "bridge.log"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start and wait for the line that says where it is. RuntimeError with its log if it does not come."""
        command = [sys.executable, "-m", self._module, "run", "--virtual", "--http", "127.0.0.1:0", "--raw"]
        command += [self._raw, "--state-dir", str(self.state_dir), "--config", str(self._config)]
        if self._hubs > 1:
            command += ["--hubs", str(self._hubs)]
        paths = os.pathsep.join((str(ROOT), str(ROOT / "firmware")))
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": paths, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": "en"},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()  # the process ends or speaks: the file's deadline is pytest's
        found = _READY.search(line)
        if found is None:
            self.kill()
            raise RuntimeError(f"the bridge did not start: {line!r}\n{self.log()}")
        self.http_url = found[1]
        self.raw_host, self.raw_port = found[2], int(found[3])
        self.raw_ports = {name: int(port) for name, port in _NAMED_PRINTER.findall(line.partition("printer ")[2])}

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: nothing is said, nothing is saved. The virtual hub lives on, as a real one would."""
        self._end(signal.SIGKILL)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"the bridge did not stop within {STOP_DEADLINE_S:g} s\n{self.log()}") from None
        finally:
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()


class RunningBridge(Protocol):
    """What a till, and who reads its failures, has to know."""

    http_url: str

    def log(self) -> str: ...


class Till:
    """A till that speaks the native API; with `hub`, to that one of several."""

    def __init__(self, bridge: RunningBridge, hub: str | None = None) -> None:
        self._bridge = bridge
        self._hub = hub
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: str) -> Any:
        async with self._session.get(self._at(path)) as answer:
            body = await answer.read()
            assert answer.status == 200, (answer.status, body)
            return json.loads(body) if "json" in answer.content_type else body

    async def post(self, path: str, **request: Any) -> tuple[int, Any]:
        async with self._session.post(self._at(path), **request) as answer:
            return answer.status, await answer.json(content_type=None)

    async def print(self, data: bytes, **headers: str) -> str:
        """Send ESC/POS; the job's id."""
        headers = {"Content-Type": "application/octet-stream", **headers}
        status, answer = await self.post("/api/v1/print", data=data, headers=headers)
        assert status == 202, answer
        return str(answer["job_id"])

    async def state(self) -> Any:
        return await self.get("/api/v1/state")

    async def fault(self, name: str, active: bool) -> None:
        status, answer = await self.post("/virtual/faults", json={"fault": name, "active": active})
        assert status < 300, answer

    async def until(self, look: Callable[[Any], Any], path: str = "/api/v1/state", deadline_s: float = 60.0) -> Any:
        """Look at the state (or another path) until `look` returns something true; that is returned."""
        end = time.monotonic() + deadline_s
        while True:
            seen = await self.get(path)
            found = look(seen)
            if found:
                return found
            assert time.monotonic() < end, (
                f"not within {deadline_s:g} s; last seen: {seen}\n{self._bridge.log()[-4000:]}"
            )
            await asyncio.sleep(POLL_S)

    async def final(self, job_id: str, deadline_s: float = 60.0) -> Any:
        """The job, once its state is final."""
        return await self.until(
            lambda job: job if job["state"] not in ("queued", "sending") else None, f"/api/v1/jobs/{job_id}", deadline_s
        )

    async def link_up(self) -> Any:
        return await self.until(lambda state: state["link"]["status"] == "up" and state)

    async def receipts(self) -> list[Any]:
        return list(await self.get("/virtual/receipts"))

    @asynccontextmanager
    async def events(self, query: str = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self._session.ws_connect(self._at("/api/v1/events" + query)) as socket:
            yield socket

    def _at(self, path: str) -> str:
        if self._hub is None:
            return self._bridge.http_url + path
        return f"{self._bridge.http_url}/api/v1/hubs/{self._hub}{path.removeprefix('/api/v1')}"


async def ask_counter(bridge: LiveBridge, command: str, **arguments: Any) -> Any:
    """Ask the virtual counter's process for what no till can see or do."""
    channel = Channel(lambda event: None)
    file = bridge.state_dir / "virtual-hub" / "control.json"
    try:
        await channel.attach(msgspec.json.decode(file.read_bytes(), type=Control))
        return await channel.ask(command, **arguments)
    finally:
        await channel.close()


def lone_port() -> int:
    """A free port that nobody gets who asks for any: while it is closed no other test's bridge is found there."""
    for port in range(30_000 - os.getpid() * 97 % 20_000, 1024, -1):  # below what Linux and others give away
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


async def in_time(once: Callable[[], Awaitable[bool]]) -> None:
    """`once` says whether it was in time: a machine that stands still makes a try late, and a broken promise all."""
    for _ in range(TRIES):
        if await once():
            return
    raise AssertionError(f"too late {TRIES} times")


def end_virtual_hub(state_dir: Path) -> None:
    """End the counter processes that a killed bridge left behind."""
    for control in state_dir.glob("**/virtual-hub/control.json"):
        os.kill(json.loads(control.read_text())["pid"], signal.SIGTERM)


async def next_event(socket: aiohttp.ClientWebSocketResponse, kind: str, deadline_s: float = 40.0) -> Any:
    """The next event of that type; others are passed over."""
    async with asyncio.timeout(deadline_s):
        while True:
            event = await socket.receive_json()
            if event["type"] == kind:
                return event
