"""`counterhub ports`."""

from __future__ import annotations

import json

import msgspec
import pytest

from host_bridge.flash.errors import FlashError
from host_bridge.hub.plugged import with_hub
from host_bridge.hub.ports import PortInfo
from host_bridge.state import Text
from tests.cli.conftest import Command, FakeBridge

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


def test_a_running_bridge_tells_which_hubs_it_serves_and_which_are_not_used(
    counterhub: Command, bridge: FakeBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = msgspec.structs.replace(PICO, device="/dev/ttyACM1", serial_number=None)
    list_as(monkeypatch, PICO, second, LOCKED)
    known = [
        with_hub(PICO, served_as="till-1", hub_id="e660583883724a32", hub_name="till 1"),
        with_hub(second, hub_id="e660583883724a33", hub_name="spare"),
    ]
    bridge.answers["/api/v1/ports"] = [{"ports": msgspec.to_builtins(known)}]
    result = counterhub("ports", url=bridge.url)
    assert "✔ served: till-1" in result.out
    assert "/dev/ttyACM1: hub e660583883724a33 (spare) is plugged in and not used" in result.out
    assert "[hubs.NAME]" in result.out
    assert "! /dev/ttyUSB0: needs the group dialout" in result.out
    assert "已接入但未使用" in counterhub("ports", "--lang", "zh", url=bridge.url).out
    served, unused, _ = json.loads(counterhub("ports", "--json", url=bridge.url).out)
    assert (served["served_as"], unused["served_as"], unused["hub_id"]) == ("till-1", None, "e660583883724a33")


def test_asked_likely_ports_are_listened_to_and_others_left_alone(
    counterhub: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = msgspec.structs.replace(PICO, device="/dev/ttyACM1")
    list_as(monkeypatch, PICO, silent, LOCKED)
    listened: list[str] = []

    def greet(port: str, timeout_s: float) -> dict[str, object]:
        listened.append(port)
        if port == silent.device:
            raise FlashError(Text("silence", "安静"))
        return {"hub_id": bytes.fromhex("e660583883724a32"), "name": "till 1"}

    monkeypatch.setattr("host_bridge.cli.ports_screen.wait_for_greeting", greet)
    result = counterhub("ports", "--ask")
    assert sorted(listened) == ["/dev/ttyACM0", "/dev/ttyACM1"]
    assert "hub e660583883724a32 (till 1)" in result.out
    assert not [port for port in json.loads(counterhub("ports", "--json").out) if port["hub_id"]]


def test_a_bridge_elsewhere_says_nothing_of_this_machines_ports(
    counterhub: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_as(monkeypatch, PICO)
    assert "✔ likely" in counterhub("ports", url="http://till-7.invalid:9180").out
