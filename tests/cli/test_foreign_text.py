"""What comes from outside is shown, and drives nobody's terminal."""

from __future__ import annotations

import json
import unicodedata

import msgspec
import pytest
from rich.console import Console

from tests.cli.conftest import FAULT, Command, FakeBridge, make_job, make_scan, make_state, problem
from tests.cli.test_ports import PICO, list_as

EVIL = "\x1b[31mEVIL\x1b]0;owned\x07\x9b5m\u202e\u2028[red]x[/nothing]:smile:"


def steering(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp")} - {"\n"}


@pytest.fixture
def evil_bridge(bridge: FakeBridge) -> FakeBridge:
    """Says it wherever it says anything."""
    state = make_state(faults=[FAULT | {"title": {"en": EVIL, "zh": EVIL}, "code": EVIL}])
    state["hub"] |= dict.fromkeys(("id", "name", "board", "firmware", "crumb"), EVIL)
    state["hub"] |= {"crash": {"en": EVIL, "zh": EVIL}, "problems": [EVIL]}
    state["link"] |= {"port": EVIL, "reason": EVIL, "detail": EVIL}
    state["indicator"] |= {"pattern": EVIL}
    scan = make_scan(1, data=EVIL, symbology=EVIL, state=EVIL, read_at=EVIL)
    bridge.answers = {
        "/api/v1/state": [state],
        "/api/v1/scans": [{"scans": [scan], "next_after": 0}],
        "/api/v1/print": [{"job_id": "1", "warning": EVIL}],
        "/api/v1/jobs/1": [make_job("failed", job_id=EVIL, reason=EVIL, source=EVIL)],
        "/api/v1/drawer/open": [problem(403, "not_allowed", EVIL)],
    }
    return bridge


COMMANDS = [["status"], ["scans"], ["drawer", "open"], ["print", "-"], ["print", "-", "--no-wait"], ["ports"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_from_outside_steers_the_terminal(
    evil_bridge: FakeBridge, counterhub: Command, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    list_as(monkeypatch, msgspec.structs.replace(PICO, description=EVIL, serial_number=EVIL, problem=EVIL))
    monkeypatch.setenv("COLUMNS", "500")
    result = counterhub(*command, url=evil_bridge.url, stdin=b"x")
    assert "EVIL" in result.out + result.err
    assert "[red]x[/nothing]:smile:" in (result.out + result.err).replace("\n", "")
    assert steering(result.out + result.err) == set()


@pytest.mark.parametrize("command", [["status"], ["scans"], ["ports"]], ids=" ".join)
def test_json_says_it_in_escapes(
    evil_bridge: FakeBridge, counterhub: Command, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    list_as(monkeypatch, msgspec.structs.replace(PICO, description=EVIL))
    result = counterhub(*command, "--json", url=evil_bridge.url)
    assert steering(result.out) == set()
    assert EVIL in _texts(json.loads(result.out))


def test_colours_are_ours_alone(evil_bridge: FakeBridge, counterhub: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    out = counterhub("status", url=evil_bridge.url).out
    assert "\x1b[1m" in out
    assert "\ufffd[31mEVIL\ufffd]0;owned" in out
    assert "\x1b[31mEVIL" not in out and "\x1b]" not in out


def _texts(value: object) -> list[str]:
    """Every text in a JSON document."""
    if isinstance(value, dict):
        return _texts(list(value.values()))
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []
