"""`counterhub scanner on` and `off`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Command, FakeBridge, problem

SWITCH = "/api/v1/scanner"


def scanner(**changes: Any) -> dict[str, Any]:
    return {"status": "ready", "switchable": True, "off_until": None, "scans": 3} | changes


def test_off_says_until_when_and_exits_with_0(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers[SWITCH] = [scanner(status="off", off_until="2025-01-31T09:30:00.125+00:00")]
    result = counterhub("scanner", "off", "--for", "60", url=bridge.url)
    assert result.exit_code == 0
    assert "The scanner is off until" in result.out
    assert json.loads(bridge.asked[0].body) == {"enabled": False, "for_ms": 60_000}


def test_on_exits_with_0(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers[SWITCH] = [scanner(), scanner()]
    result = counterhub("scanner", "on", url=bridge.url)
    assert (result.exit_code, json.loads(bridge.asked[0].body)) == (0, {"enabled": True})
    assert "✔ The scanner reads." in result.out
    assert json.loads(counterhub("scanner", "on", "--json", url=bridge.url).out)["status"] == "ready"


def test_a_scanner_that_can_not_be_switched_exits_with_4(bridge: FakeBridge, counterhub: Command) -> None:
    bridge.answers[SWITCH] = [problem(409, "scanner_not_switchable", "It reads when it likes.")]
    result = counterhub("scanner", "off", url=bridge.url)
    assert result.exit_code == 4
    assert "It reads when it likes." in result.err


@pytest.mark.parametrize("seconds", ["0", "3601", "x"])
def test_times_that_cannot_be_are_a_usage_error(counterhub: Command, seconds: str) -> None:
    assert counterhub("scanner", "off", "--for", seconds).exit_code == 2
