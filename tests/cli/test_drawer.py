"""`counterhub drawer open`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from tests.cli.conftest import Command, FakeBridge, problem

OPEN = "/api/v1/drawer/open"


def kick(state: str, reason: str | None = None) -> dict[str, Any]:
    times = {"created_at": 1.0, "updated_at": 2.0}
    return {"kick_id": 7, "source": "api", "drawer": 1, "state": state, "reason": reason} | times


@pytest.mark.parametrize(("state", "words"), [("opened", "✔ The drawer is open."), ("unverified", "! The drawer got")])
def test_an_open_drawer_exits_with_0(bridge: FakeBridge, counterhub: Command, state: str, words: str) -> None:
    bridge.answers[OPEN] = [kick(state)]
    result = counterhub("drawer", "open", url=bridge.url)
    assert result.exit_code == 0
    assert words in result.out
    assert json.loads(bridge.asked[0].body) == {"drawer": 1, "time_to_live_ms": 2000}
    assert bridge.asked[0].headers["Idempotency-Key"]


def test_a_drawer_that_did_not_open_exits_with_1(bridge: FakeBridge, counterhub: Command) -> None:
    refused = problem(503, "link_down", "Drawer 1 was not opened (link_down).", kick=kick("failed", "link_down"))
    bridge.answers[OPEN] = [refused]
    result = counterhub("drawer", "open", "--within", "500", "--drawer", "2", url=bridge.url)
    assert result.exit_code == 1
    assert "did not open: the hub is not connected. It will not open later by itself." in result.err
    assert json.loads(bridge.asked[0].body) == {"drawer": 2, "time_to_live_ms": 500}


def test_where_nobody_can_know_it_says_look(bridge: FakeBridge, counterhub: Command) -> None:
    lost = kick("failed", "link_lost")
    bridge.answers[OPEN] = [problem(503, "link_lost", "Nobody can know.", kick=lost) for _ in range(2)]
    assert "Look at it" in counterhub("drawer", "open", url=bridge.url).err
    assert "请查看钱箱" in counterhub("drawer", "open", "--lang", "zh", url=bridge.url).err


def test_json_prints_the_kick_also_when_it_failed(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers[OPEN] = [problem(409, "duty", "It must cool down.", kick=kick("failed", "duty"))]
    result = counterhub("drawer", "open", "--json", url=bridge.url)
    assert result.exit_code == 1
    assert json.loads(result.out)["reason"] == "duty"


def test_a_refusal_exits_with_4(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers[OPEN] = [problem(507, "journal_full", "The disk is full.")]
    assert counterhub("drawer", "open", url=bridge.url).exit_code == 4


def test_a_lost_answer_is_not_asked_for_again(bridge: FakeBridge, counterhub: Command) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    bridge.answers[OPEN] = [hang_up]
    assert counterhub("drawer", "open", url=bridge.url).exit_code == 3
    assert bridge.paths() == [OPEN]


@pytest.mark.parametrize("arguments", [["--drawer", "3"], ["--within", "0"], ["--within", "30001"], ["--within", "x"]])
def test_values_that_cannot_be_are_a_usage_error(counterhub: Command, arguments: list[str]) -> None:
    assert counterhub("drawer", "open", *arguments).exit_code == 2
