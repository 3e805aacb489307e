"""`counterhub scans`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from host_bridge.cli import scanning
from tests.cli.conftest import Command, FakeBridge, make_scan, make_state, problem

SCANS = "/api/v1/scans"
EVENTS = "/api/v1/events"


class Journal:
    """Answers `GET /api/v1/scans` as the bridge does."""

    def __init__(self, *sequences: int) -> None:
        self.rows = [make_scan(sequence) for sequence in sequences]
        self.requests = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if newest := request.query.get("newest"):
            assert set(request.query) == {"newest"}
            return web.json_response({"scans": self.rows[-int(newest) :], "next_after": 0})
        after, limit = int(request.query["after"]), int(request.query["limit"])
        assert 1 <= limit <= 500
        found = [row for row in self.rows if row["sequence"] > after][:limit]
        return web.json_response({"scans": found, "next_after": 0})


class Stream:
    """Answers `GET /api/v1/events`: one list of messages for each connection, then hangs up."""

    def __init__(self, *connections: list[dict[str, Any]]) -> None:
        self.connections = list(connections)
        self.queries: list[str] = []
        self.received: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(request.query_string)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "state", "state": make_state()})
        for message in self.connections.pop(0):
            await socket.send_json(message)
        if not self.connections:
            async for answer in socket:
                self.received.append(str(answer.data))
        await socket.close()
        return socket


def event(sequence: int) -> dict[str, Any]:
    scan = make_scan(sequence)
    del scan["state"]
    return {"type": "scan", "redelivered": False} | scan


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "RETRY_S", (0.001,))


def test_lists_the_newest_oldest_first(bridge: FakeBridge, counterhub: Command) -> None:
    journal = Journal(*range(1, 1001))
    bridge.answers[SCANS] = [journal]
    result = counterhub("scans", "--limit", "3", "--json", url=bridge.url)
    assert [row["sequence"] for row in json.loads(result.out)] == [998, 999, 1000]
    assert journal.requests == 1


def test_the_table_shows_data_symbology_and_state(bridge: FakeBridge, counterhub: Command) -> None:
    journal = Journal(1)
    journal.rows = [make_scan(1, data="01\x1d21\x1b[31m", check_digit_ok=False, repeat=True, state="expired")]
    bridge.answers[SCANS] = [journal]
    result = counterhub("scans", url=bridge.url)
    for words in ("01\\x1d21\\x1b[31m", "]E0", "expired, check digit wrong, repeat"):
        assert words in result.out
    assert "\x1b" not in result.out  # a barcode must not command the terminal


def test_a_gs1_code_reads_as_it_is_printed_below_the_bars(bridge: FakeBridge, counterhub: Command) -> None:
    elements = [{"ai": ai, "title": "", "value": value} for ai, value in (("01", "09501101530003"), ("10", "LOT7"))]
    good = {"ok": True, "elements": elements, "error": None}
    wrong = {"ok": False, "elements": [], "error": "(01): expected 14"}
    journal = Journal()
    journal.rows = [make_scan(1, data="x", gs1=good), make_scan(2, data="0195", gs1=wrong)]
    bridge.answers[SCANS] = [journal]
    result = counterhub("scans", url=bridge.url)
    assert "(01)09501101530003(10)LOT7" in result.out
    assert "GS1 data wrong" in result.out


def test_an_empty_journal(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers[SCANS] = [Journal()]
    result = counterhub("scans", url=bridge.url)
    assert (result.exit_code, result.out) == (0, "No scans yet.\n")


def test_follow_only_watches_and_acknowledges_nothing(bridge: FakeBridge, counterhub: Command) -> None:
    stream = Stream([event(1), {"type": "drawer", "status": "open"}, event(2)])
    bridge.answers |= {SCANS: [Journal()], EVENTS: [stream]}
    result = counterhub("scans", "--follow", "--count", "2", "--json", url=bridge.url)
    assert result.exit_code == 0
    assert [json.loads(line)["sequence"] for line in result.out.splitlines()] == [1, 2]
    assert stream.queries == ["observe=1"]
    assert stream.received == []


def test_follow_outlives_a_restart_and_shows_each_scan_once(bridge: FakeBridge, counterhub: Command) -> None:
    journal = Journal(1, 2, 3, 4)
    shown_before = Journal(1)
    bridge.answers[SCANS] = [shown_before, shown_before, shown_before, journal]
    bridge.answers[EVENTS] = [Stream([event(2)], [], [event(2), event(4), event(5)])]
    result = counterhub("scans", "-f", "--after", "1", "--count", "4", "--json", url=bridge.url)
    assert [json.loads(line)["sequence"] for line in result.out.splitlines()] == [2, 3, 4, 5]
    assert "Connection lost" in result.err
    assert "Connected again" in result.err


def test_follow_without_a_bridge_exits_with_3(counterhub: Command, unused_tcp_port: int) -> None:
    assert counterhub("scans", "-f", url=f"http://127.0.0.1:{unused_tcp_port}").exit_code == 3


def test_follow_refused_exits_with_4(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers |= {SCANS: [Journal()], EVENTS: [problem(503, "too_many_websockets", "32 are open.")]}
    result = counterhub("scans", "-f", url=bridge.url)
    assert result.exit_code == 4
    assert "503" in result.err


@pytest.mark.parametrize("message", ["nonsense", "[1]", '{"type":"scan","sequence":1}'])
def test_a_message_that_is_none_ends_it_with_a_reason(bridge: FakeBridge, counterhub: Command, message: str) -> None:
    async def garbage(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(message)
        await socket.receive()
        return socket

    bridge.answers |= {SCANS: [Journal()], EVENTS: [garbage]}
    result = counterhub("scans", "-f", url=bridge.url)
    assert result.exit_code == 3
    assert "not like a Counterhub bridge" in result.err


def test_limits_are_checked(counterhub: Command) -> None:
    assert counterhub("scans", "--limit", "0").exit_code == 2
    assert counterhub("scans", "--limit", "201").exit_code == 2
    assert counterhub("scans", "--after", "-1").exit_code == 2
