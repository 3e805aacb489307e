"""The command line in front of a bridge with several hubs: it names them, and never guesses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from tests.cli.conftest import FAULT, Command, FakeBridge, make_state, problem

KICK = {
    "kick_id": 1,
    "source": "api",
    "drawer": 1,
    "state": "opened",
    "created_at": 1.0,
    "updated_at": 1.0,
}


def hub(name: str, status: str, fault: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "id": f"{name}-id", "status": status, "link": "up", "worst_fault": fault}


@pytest.fixture
def shop(bridge: FakeBridge) -> FakeBridge:
    """Two hubs: short addresses are refused."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        detail = "This bridge serves several hubs: till-1, till-2."
        return problem(400, "hub_not_named", detail, hubs=["till-1", "till-2"])

    for path in ("state", "print", "drawer/open", "scans", "events"):
        bridge.answers[f"/api/v1/{path}"] = [refuse]
    bridge.answers["/api/v1/hubs"] = [{"hubs": [hub("till-1", "ready"), hub("till-2", "fault", FAULT)]}]
    bridge.answers["/api/v1/hubs/till-1/state"] = [make_state()]
    bridge.answers["/api/v1/hubs/till-1/drawer/open"] = [KICK]
    return bridge


def test_status_shows_all_hubs_and_what_to_do(shop: FakeBridge, counterhub: Command) -> None:
    result = counterhub("status", url=shop.url)
    assert result.exit_code == 1  # one of the counters can't sell
    for words in (
        "2 hubs",
        "till-1",
        "✔ ready",
        "till-2",
        "✖ fault",
        "ERROR  till-2: ",
        "what to do: ",
        "--hub till-1",
    ):
        assert words in result.out
    chinese = counterhub("status", "--lang", "zh", url=shop.url).out
    assert "2 个集线盒" in chinese and "就绪" in chinese and "故障" in chinese


def test_status_of_all_as_json_and_the_exit_code_when_all_sell(shop: FakeBridge, counterhub: Command) -> None:
    shop.answers["/api/v1/hubs"] = [{"hubs": [hub("till-1", "ready"), hub("till-2", "warning", FAULT)]}]
    result = counterhub("status", "--json", url=shop.url)
    assert result.exit_code == 0
    assert [each["name"] for each in json.loads(result.out)["hubs"]] == ["till-1", "till-2"]


def test_status_of_one_is_that_of_an_only_hub(shop: FakeBridge, counterhub: Command) -> None:
    result = counterhub("status", "--hub", "till-1", url=shop.url)
    assert result.exit_code == 0 and "Scanner" in result.out
    assert shop.paths() == ["/api/v1/hubs/till-1/state", "/api/v1/ports"]


@pytest.mark.parametrize("command", [("drawer", "open"), ("print", "-", "--type", "text"), ("scans",)])
def test_an_act_without_a_name_is_refused_with_the_names(
    shop: FakeBridge, counterhub: Command, command: tuple[str, ...]
) -> None:
    result = counterhub(*command, url=shop.url, stdin=b"hello")
    assert result.exit_code == 4
    assert "--hub" in result.err and "COUNTERHUB_HUB" in result.err and "till-1, till-2" in result.err


def test_the_name_goes_into_the_address_by_option_and_by_environment(
    shop: FakeBridge, counterhub: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert counterhub("drawer", "open", "--hub", "till-1", url=shop.url).exit_code == 0
    monkeypatch.setenv("COUNTERHUB_HUB", "till-1")
    assert counterhub("drawer", "open", url=shop.url).exit_code == 0
    assert shop.paths() == ["/api/v1/hubs/till-1/drawer/open"] * 2


def test_a_name_is_quoted_and_an_unknown_one_answered_with_those_that_exist(
    shop: FakeBridge, counterhub: Command
) -> None:
    unknown = problem(404, "hub_unknown", "There is no hub 'x/y'.", hubs=["till-1", "till-2"])
    shop.answers["/api/v1/hubs/x/y/drawer/open"] = [unknown]
    result = counterhub("drawer", "open", "--hub", "x/y", url=shop.url)
    assert result.exit_code == 4 and "The hubs here are: till-1, till-2." in result.err


def test_a_hub_that_is_plugged_in_and_not_used_is_seen(shop: FakeBridge, counterhub: Command) -> None:
    ports = [
        {"device": "/dev/ttyACM0", "vid": 0x2E8A, "served_as": "till-1", "hub_id": "a"},
        {"device": "/dev/ttyACM1", "vid": 0x2E8A, "serial_number": "e66141041b5c2f99"},
        {"device": "/dev/ttyUSB0", "vid": 0x0403, "looks_like_hub": True},
        {"device": "/dev/ttyUSB1", "vid": 0x0403, "hub_id": "b", "hub_name": "spare"},
    ]
    shop.answers["/api/v1/ports"] = [{"ports": ports}]
    for arguments in (("status",), ("status", "--hub", "till-1")):
        out = counterhub(*arguments, url=shop.url).out
        assert "/dev/ttyACM1: a hub (e66141041b5c2f99) is plugged in and not used" in out
        assert "/dev/ttyUSB1: a hub (b)" in out
        assert "ttyACM0: " not in out and "ttyUSB0" not in out
    assert "未使用" in counterhub("status", "--lang", "zh", url=shop.url).out
    assert "not used" not in counterhub("status", "--json", url=shop.url).out
