"""A bridge that answers what a test tells it to, in a thread of its own, because each command runs its own loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import web
from typer.testing import CliRunner

from host_bridge.cli.app import app

START_DEADLINE_S = 60
FAULT = {
    "code": "paper_end",
    "severity": "error",
    "device": "printer",
    "since": "2025-01-31T09:30:00.125Z",
    "blinks": 3,
    "title": {"en": "No paper", "zh": "打印机缺纸"},
    "cause": {"en": "The paper roll is used up.", "zh": "纸卷已用完。"},
    "remedy": {"en": "Put in a new roll, then close the cover.", "zh": "装入新纸卷并合上上盖。"},
}


def make_state(**changes: Any) -> dict[str, Any]:
    """The state of a counter that sells."""
    state: dict[str, Any] = {
        "version": "0.1.0",
        "time": "2025-01-31T09:31:00.000Z",
        "virtual": True,
        "link": {
            "status": "up",
            "since": "2025-01-31T09:00:00.000Z",
            "port": "/dev/ttyACM0",
            "transport": "USB CDC",
            "round_trip_ms": 2.5,
        },
        "hub": {
            "id": "e660583883724a32",
            "name": "counter-1",
            "board": "pico",
            "firmware": "0.1.0",
            "boot_id": "1f2e3d4c",
            "reset_cause": "power_on",
            "boots": 3,
        },
        "devices": {
            "scanner": {"status": "ready", "scans": 12},
            "printer": {"status": "ready", "online": True, "paper": "ok"},
            "drawer": {"status": "closed"},
        },
        "indicator": {
            "pattern": "ready",
            "known": True,
            "meaning": {"en": "Ready to sell", "zh": "可以营业"},
            "steps": [{"colour": "#00ff00", "ms": 1000}],
        },
        "faults": [],
    }
    return state | changes


def make_job(state: str, **changes: Any) -> dict[str, Any]:
    job = {
        "job_id": "00112233aabbccdd",
        "state": state,
        "source": "api",
        "size_bytes": 5,
        "sha256": "0" * 64,
        "created_at": 1.0,
        "updated_at": 2.0,
    }
    return job | changes


def make_scan(sequence: int, **changes: Any) -> dict[str, Any]:
    scan = {
        "sequence": sequence,
        "data": f"400638133{sequence:04}",
        "data_hex": f"400638133{sequence:04}".encode().hex(),
        "symbology": "]E0",
        "check_digit_ok": True,
        "repeat": False,
        "read_at": "2025-01-31T09:30:00.125Z",
        "state": "delivered",
    }
    return scan | changes


def problem(status: int, code: str, detail: str, **members: Any) -> web.Response:
    body = {"type": f"/api#{code}", "title": "t", "status": status, "code": code, "detail": detail} | members
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/problem+json")


class Asked(NamedTuple):
    method: str
    path: str
    body: bytes
    headers: dict[str, str]


Answer = web.StreamResponse | dict[str, Any] | Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeBridge:
    """`answers[path]` is a list used up one by one; its last entry stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {"/api/v1/state": [make_state()]}
        self.asked: list[Asked] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request.method, request.path, await request.read(), dict(request.headers)))
        answers = self.answers.get(request.path)
        if not answers:
            return problem(404, "not_found", f"There is nothing at {request.path}.")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, dict):
            return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
        if isinstance(answer, web.StreamResponse):
            return answer
        return await answer(request)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@pytest.fixture
def bridge() -> Iterator[FakeBridge]:
    fake = FakeBridge()
    ready, stop = threading.Event(), asyncio.Event()
    loop: asyncio.AbstractEventLoop

    async def serve() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        application = web.Application(client_max_size=32 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", fake.handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(START_DEADLINE_S)
    yield fake
    loop.call_soon_threadsafe(stop.set)
    thread.join(START_DEADLINE_S)
    assert not thread.is_alive()


class Result(NamedTuple):
    exit_code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def counterhub(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in this process: `counterhub("status", "--json", url=bridge.url)`."""
    for name in ("COUNTERHUB_URL", "COUNTERHUB_HUB", "COUNTERHUB_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: str, url: str | None = None, stdin: bytes = b"") -> Result:
        if url is not None:
            monkeypatch.setenv("COUNTERHUB_URL", url)
        result = CliRunner().invoke(app, arguments, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return run
