"""Port discovery: which ports may be hubs, in which order, and what is in the way."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.hub import ports
from tests.hub.peers import Pty

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux")


def com(device: str, vid: int | None = None, pid: int | None = None) -> Any:
    return SimpleNamespace(
        device=device, description="n/a", manufacturer="maker", vid=vid, pid=pid, serial_number="E660"
    )


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Pty]:
    pair = Pty(tmp_path / "hub")
    yield pair
    pair.vanish()


@pytest.mark.parametrize(
    ("vid", "pid", "expected"),
    [
        (0x2E8A, 0x0005, True),
        (0x2E8A, 0xFFFF, True),
        (0x303A, 0x1001, True),
        (0x10C4, 0xEA60, True),
        (0x10C4, 0x0001, False),
        (0x1A86, 0x7523, True),
        (0x0403, 0x6001, True),
        (0x04B8, 0x0202, False),  # a printer
        (None, None, False),
    ],
)
def test_known_usb_ids_look_like_a_hub(vid: int | None, pid: int | None, expected: bool) -> None:
    assert ports.looks_like_hub(vid, pid) is expected


def test_auto_tries_boards_before_bridges_and_skips_strangers() -> None:
    found = [
        com("/dev/ttyUSB1", 0x1A86, 1),
        com("/dev/ttyS0"),
        com("/dev/ttyACM1", 0x303A),
        com("/dev/ttyACM0", 0x2E8A),
    ]
    assert ports.resolve("auto", lambda: found) == ["/dev/ttyACM0", "/dev/ttyACM1", "/dev/ttyUSB1"]
    assert ports.resolve("auto", list) == []


@pytest.mark.parametrize("port", ["/dev/ttyACM0", "COM3", "socket://h:1", "rfc2217://h:1", "loop://", "./auto"])
def test_a_named_port_is_taken_as_it_is_without_listing(port: str) -> None:
    def no_listing() -> list[Any]:
        pytest.fail("a named port needs no listing")

    assert ports.resolve(port, no_listing) == [port]


@pytest.mark.parametrize("port", ["", " "])
def test_an_empty_port_is_refused_with_examples(port: str) -> None:
    with pytest.raises(ValueError, match="/dev/ttyACM0"):
        ports.resolve(port)


def test_the_list_puts_likely_hubs_first_and_carries_what_the_system_tells() -> None:
    found = [com("/dev/ttyS9"), com("/dev/ttyACM9", 0x2E8A, 5)]
    first, second = ports.list_ports(lambda: found)
    assert (first.device, first.looks_like_hub, first.vid, first.pid) == ("/dev/ttyACM9", True, 0x2E8A, 5)
    assert (first.manufacturer, first.serial_number, first.problem) == ("maker", "E660", None)
    assert (second.device, second.looks_like_hub) == ("/dev/ttyS9", False)


def test_listing_this_machine_works() -> None:
    assert isinstance(ports.list_ports(), list)


def test_a_forbidden_port_names_group_and_command(line: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # root passes every mode: the system's answer has to be made up
        monkeypatch.setattr(os, "access", lambda *_: False)
    else:
        os.chmod(os.path.realpath(line.path), 0)
    (info,) = ports.list_ports(lambda: [com(str(line.path))])
    assert info.problem == "permission_denied"
    assert info.remedy is not None and "sudo usermod -a -G" in info.remedy


@linux_only
def test_a_port_that_another_process_holds_is_busy_with_its_name(line: Pty) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # the other process: holds the port until it is told to end
        os.close(writer)
        os.open(line.path, os.O_RDWR | os.O_NOCTTY)
        os.write(line.master, b"")
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    try:
        deadline = time.monotonic() + 5
        info = ports.list_ports(lambda: [com(str(line.path))])[0]
        while info.problem is None and time.monotonic() < deadline:
            info = ports.list_ports(lambda: [com(str(line.path))])[0]
        assert info.problem == "busy"
        assert f"(pid {child})" in (info.problem_detail or "")
        assert "Close" in (info.remedy or "")
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def test_a_port_that_this_process_holds_is_no_problem_of_its_own(line: Pty) -> None:
    held = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    (info,) = ports.list_ports(lambda: [com(str(line.path))])
    os.close(held)
    assert info.problem is None


@linux_only
def test_looking_for_the_holder_is_bounded(line: Pty) -> None:
    held = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    assert ports.port_users(str(line.path), limit_ms=-1) == []
    assert any(f"(pid {os.getpid()})" in user for user in ports.port_users(str(line.path)))
    os.close(held)


def test_the_modem_manager_has_its_own_remedy() -> None:
    assert "--udev" in ports.busy_remedy("/dev/ttyACM0", ["ModemManager (pid 5)"])
    assert "Close the other program" in ports.busy_remedy("COM3", [])


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ("socket://127.0.0.1:1", "TCP"),
        ("rfc2217://x:1", "TCP"),
        ("loop://", "loop"),
        ("/dev/acm", "USB CDC"),
        ("/dev/bridge", "UART"),
        ("/dev/ttyACM77", "USB CDC"),
        ("/dev/ttyS77", "UART"),
        ("COM3", "UART"),
    ],
)
def test_what_carries_the_link_is_told(port: str, expected: str) -> None:
    found = [com("/dev/acm", 0x2E8A), com("/dev/bridge", 0x0403)]
    assert ports.transport_name(port, lambda: found) == expected


def test_a_pseudo_terminal_behind_a_link_is_told(line: Pty) -> None:
    assert ports.transport_name(str(line.path)) == "pty"


@given(st.text(min_size=1).filter(str.strip))
def test_any_text_resolves_to_something_or_itself(port: str) -> None:
    assert ports.resolve(port, list) == ([] if port == "auto" else [port])
