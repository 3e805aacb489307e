"""`counterhub status`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tests.cli.conftest import FAULT, Command, FakeBridge, make_state, problem


def test_a_counter_that_sells_exits_with_0_and_names_every_device(bridge: FakeBridge, counterhub: Command) -> None:
    result = counterhub("status", url=bridge.url)
    assert result.exit_code == 0
    for words in (
        "virtual hub",
        "Link",
        "✔ up",
        "counter-1",
        "Scanner",
        "Printer",
        "paper ok",
        "✔ closed",
        "No faults",
    ):
        assert words in result.out
    assert "Ready to sell" in result.out
    assert "●" in result.out


def test_chinese_by_option_and_by_locale(
    bridge: FakeBridge, counterhub: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge.answers["/api/v1/state"] = [make_state(faults=[FAULT])]
    by_option = counterhub("status", "--lang", "zh", url=bridge.url)
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    by_locale = counterhub("status", url=bridge.url)
    assert by_option.out == by_locale.out
    for words in ("链路", "扫码枪", "打印机缺纸", "处理方法", "装入新纸卷并合上上盖。", "可以营业"):
        assert words in by_locale.out


def test_an_active_error_exits_with_1_and_says_what_to_do(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers["/api/v1/state"] = [make_state(faults=[FAULT])]
    result = counterhub("status", url=bridge.url)
    assert result.exit_code == 1
    assert "ERROR" in result.out  # the word, because colour never says it alone
    assert "what to do: Put in a new roll, then close the cover." in result.out
    assert "paper_end" in result.out


@pytest.mark.parametrize(("severity", "code"), [("warning", 0), ("notice", 0), ("error", 1)])
def test_only_errors_change_the_exit_code(bridge: FakeBridge, counterhub: Command, severity: str, code: int) -> None:
    bridge.answers["/api/v1/state"] = [make_state(faults=[FAULT | {"severity": severity}])]
    assert counterhub("status", url=bridge.url).exit_code == code


def test_what_the_light_does_not_show_nobody_is_told_to_count(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers["/api/v1/state"] = [make_state(faults=[FAULT | {"severity": "notice", "blinks": 0}])]
    out = counterhub("status", url=bridge.url).out
    assert "the light does not show it" in out and "blinks" not in out


def test_a_link_that_is_down_exits_with_1_and_keeps_the_hub_last_met(bridge: FakeBridge, counterhub: Command) -> None:
    down = {"status": "down", "since": "2025-01-31T09:00:00.000Z", "reason": "port_missing"}
    bridge.answers["/api/v1/state"] = [make_state(link=down)]
    result = counterhub("status", url=bridge.url)
    assert result.exit_code == 1
    assert "✖ down" in result.out
    assert "port_missing" in result.out
    assert "last met" in result.out


def test_no_hub_yet(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers["/api/v1/state"] = [make_state(hub=None, virtual=False)]
    assert "none was met yet" in counterhub("status", url=bridge.url).out


def test_what_died_where_and_how_often_and_what_the_board_file_lacks(bridge: FakeBridge, counterhub: Command) -> None:
    state = make_state()
    state["hub"] |= {
        "crumb": "hang:scanner:scan:61s:2x",
        "crash": {"en": "The hub's program hung in task scanner", "zh": "卡死"},
        "problems": ["board.json: printer: expected [a section], found 7"],
    }
    bridge.answers["/api/v1/state"] = [state]
    said = " ".join(counterhub("status", url=bridge.url).out.replace("│", " ").split())
    assert "last crash: The hub's program hung in task scanner (hang:scanner:scan:61s:2x)" in said
    assert "board.json: printer: expected [a section], found 7" in said


def test_json_is_the_state_as_sent_with_what_a_newer_bridge_added(bridge: FakeBridge, counterhub: Command) -> None:
    state = make_state(faults=[FAULT], something_new={"x": 1})
    bridge.answers["/api/v1/state"] = [state]
    result = counterhub("status", "--json", url=bridge.url)
    assert json.loads(result.out) == state
    assert result.exit_code == 1
    assert result.err == ""


def test_no_bridge_exits_with_3_and_says_how_to_start_it(counterhub: Command, unused_tcp_port: int) -> None:
    result = counterhub("status", url=f"http://127.0.0.1:{unused_tcp_port}")
    assert result.exit_code == 3
    assert result.out == ""
    assert "nothing listens there" in result.err
    assert "counterhub run" in result.err
    assert "--url" in result.err


@pytest.mark.parametrize("url", ["", "ftp://till", "http://", "http://127.0.0.1:99999", "http://a/?x=1", "http://[::1"])
def test_an_address_that_is_none_exits_with_2(counterhub: Command, url: str) -> None:
    result = counterhub("status", "--url", url)
    assert result.exit_code == 2
    assert "http://127.0.0.1:9180" in result.err


def test_an_address_without_a_scheme_will_do(bridge: FakeBridge, counterhub: Command) -> None:
    assert counterhub("status", url=bridge.url.removeprefix("http://") + "/").exit_code == 0


def test_a_refusal_exits_with_4_and_shows_the_bridges_words(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers["/api/v1/state"] = [problem(403, "host_not_allowed", "Use 127.0.0.1 or localhost.")]
    result = counterhub("status", url=bridge.url)
    assert result.exit_code == 4
    assert "Use 127.0.0.1 or localhost. [host_not_allowed]" in result.err


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<html>hello</html>", content_type="text/html"),
        web.Response(body=b"\xff\xfe\x00"),
        web.Response(text="[]"),
        web.Response(text="{}"),
        web.Response(status=502, text="Bad gateway"),
        web.Response(status=302, headers={"Location": "/elsewhere"}),
    ],
    ids=["page", "garbage", "list", "empty", "gateway", "redirect"],
)
def test_something_else_at_that_address_is_named_as_such(bridge: FakeBridge, counterhub: Command, answer: Any) -> None:
    bridge.answers["/api/v1/state"] = [answer]
    result = counterhub("status", url=bridge.url)
    assert result.exit_code == 3
    assert "not like a Counterhub bridge" in result.err


def test_an_endless_answer_is_cut_off(bridge: FakeBridge, counterhub: Command) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 1024 * 1024)

    bridge.answers["/api/v1/state"] = [endless]
    result = counterhub("status", url=bridge.url)
    assert result.exit_code == 3
    assert "more than" in result.err


def test_a_bridge_that_says_nothing_is_given_up(
    bridge: FakeBridge, counterhub: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        raise AssertionError

    monkeypatch.setattr("host_bridge.cli.client.DEADLINE_S", 0.2)
    bridge.answers["/api/v1/state"] = [silent]
    result = counterhub("status", url=bridge.url)
    assert result.exit_code == 3
    assert "no answer within 0.2 s" in result.err


def test_a_strange_light_or_status_does_not_break_the_screen(bridge: FakeBridge, counterhub: Command) -> None:
    state = make_state(faults=[FAULT | {"title": {"en": "[bold]x[/nothing]", "zh": "y"}}])
    state["indicator"]["steps"] = [{"colour": "mauve[/]", "ms": 1}] * 100
    state["indicator"]["known"] = False
    bridge.answers["/api/v1/state"] = [state]
    result = counterhub("status", url=bridge.url)
    assert "[bold]x[/nothing]" in result.out
    assert "should show" in result.out
    assert result.out.count("●") == 8
