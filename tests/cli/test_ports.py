"""`counterhub ports`."""

from __future__ import annotations

import json

import pytest

from host_bridge.hub.ports import PortInfo
from tests.cli.conftest import Command

PICO = PortInfo(
    device="/dev/ttyACM0",
    description="Board in FS mode",
    vid=0x2E8A,
    pid=0x0005,
    serial_number="e660583883724a32",
    looks_like_hub=True,
)
LOCKED = PortInfo(
    device="/dev/ttyUSB0",
    problem="permission_denied",
    problem_detail="needs the group dialout",
    remedy="sudo usermod -a -G dialout clerk; then log in again.",
)


def list_as(monkeypatch: pytest.MonkeyPatch, *ports: PortInfo) -> None:
    monkeypatch.setattr("host_bridge.hub.ports.list_ports", lambda: list(ports))


def test_shows_which_port_may_be_a_hub_and_what_is_in_the_way(
    counterhub: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_as(monkeypatch, PICO, LOCKED)
    result = counterhub("ports")
    assert result.exit_code == 0
    pico = next(line for line in result.out.splitlines() if "ttyACM0" in line)
    assert "✔ likely" in pico
    assert "2e8a:0005" in pico
    assert "e660583883724a32" in pico
    assert "! /dev/ttyUSB0: needs the group dialout" in result.out
    assert "what to do: sudo usermod" in result.out


def test_json(counterhub: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    list_as(monkeypatch, PICO)
    (port,) = json.loads(counterhub("ports", "--json").out)
    assert (port["device"], port["vid"], port["looks_like_hub"]) == ("/dev/ttyACM0", 0x2E8A, True)


def test_no_port_says_what_to_do(counterhub: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    list_as(monkeypatch)
    assert "not a charging cable" in counterhub("ports").out
    assert "不是充电线" in counterhub("ports", "--lang", "zh").out


def test_a_system_that_cannot_list_is_an_error(counterhub: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[PortInfo]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("host_bridge.hub.ports.list_ports", refuse)
    result = counterhub("ports")
    assert result.exit_code == 1
    assert "Permission denied" in result.err


def test_works_on_this_machine(counterhub: Command) -> None:
    assert counterhub("ports").exit_code == 0
