"""The supervisor: which connection it makes when, what it says meanwhile, and that it never gives up."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.events import LinkEvent
from host_bridge.hub.connection import TraceFrame
from host_bridge.hub.manners import host_of
from host_bridge.hub.reconnect import TRANSITIONS, HubLink, HubLinkOptions, Phase, Recovery, Step
from host_bridge.hub.transport import RESET_PULSE, Transport, TransportError, TransportLimits
from host_bridge.hub.watcher import PortWatcher
from hublink.frame import FrameWriter
from tests.hub.peers import FakeHub, FakeTransport, Pty, hello, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
QUICK = HubLinkOptions(
    silent_ms=30,
    back_off_first_ms=10,
    back_off_max_ms=40,
    transport_limits=TransportLimits(drain_limit_ms=50),
)
PATIENT = msgspec.structs.replace(QUICK, silent_ms=60_000, back_off_first_ms=60_000, back_off_max_ms=60_000)
DAMAGED = FrameWriter(True).frame(0, 0, 0, 0, 0, b"said").replace(b"said", b"sung")


class Listener:
    """Remembers everything, in order."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def link_up(self, hello: dict[str, Any], resumed: bool) -> None:
        self.events.append(("up", hello["boot_id"], resumed))

    def link_down(self, reason: str) -> None:
        self.events.append(("down", reason))

    def message(self, name: str, values: tuple[Any, ...]) -> None:
        self.events.append(("message", name, values))

    def writable(self, channel: int) -> None:
        self.events.append(("writable", channel))


class Supervised:
    """A HubLink with everything that it tells."""

    def __init__(self, port: str, options: HubLinkOptions = QUICK, **arguments: Any) -> None:
        self.listener = Listener()
        self.published: list[LinkEvent] = []
        self.traces: list[tuple[str, list[TraceFrame]]] = []
        arguments.setdefault("watcher", PortWatcher(port, poll_ms=2))
        arguments.setdefault("rng", random.Random(1))
        self.link = HubLink(
            port,
            options=options,
            publish=self.published.append,
            keep_trace=lambda reason, frames: self.traces.append((reason, frames)),
            clock=lambda: NOW,
            **arguments,
        )
        self.link.add_listener(self.listener)

    @property
    def reasons(self) -> list[str]:
        return [event.link.reason or event.link.status for event in self.published]


Start = Callable[..., Supervised]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a supervisor; it is stopped when the test ends."""
    started: list[Supervised] = []

    def begin(port: object, options: HubLinkOptions = QUICK, **arguments: Any) -> Supervised:
        made = Supervised(str(port), options, **arguments)
        made.link.start()
        started.append(made)
        return made

    yield begin
    for each in started:
        await each.link.stop()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Pty]:
    pair = Pty(tmp_path / "hub")
    yield pair
    pair.vanish()


async def test_a_session_comes_up_and_messages_pass_both_ways(line: Pty, start: Start) -> None:
    with FakeHub(line) as hub:
        bridge = start(line.path)
        await until(lambda: bridge.link.is_up and hub.link.is_up)
        state = bridge.link.state()
        assert (state.status, state.reason, state.transport, state.port) == ("up", None, "pty", str(line.path))
        assert state.since == "2026-01-02T03:04:05.678Z"
        assert state.session is not None and 0 < state.session < 1 << 16
        assert bridge.link.hello is not None and bridge.link.hello["name"] == "till 1"
        assert bridge.link.room(1) > 0
        assert bridge.link.send("kick", 1, 1, 100, 5000)
        hub.link.send("scan", 1, 0, 0, b"4006381333931")
        await until(lambda: hub.messages("kick"))
        assert hub.messages("kick") == [(1, 1, 100, 5000)]
        await until(lambda: ("message", "scan", (1, 0, 0, b"4006381333931")) in bridge.listener.events)
        await until(lambda: bridge.link.peer_clock_ms() is not None)


async def test_a_hub_on_stdio_is_written_whole_units(line: Pty, start: Start) -> None:
    with FakeHub(line) as hub:
        bridge = start(line.path, msgspec.structs.replace(QUICK, unit_bytes=64))
        await until(lambda: bridge.link.is_up and hub.link.is_up)
        for number in range(4):
            assert bridge.link.send("scan_taken", number)
        await until(lambda: len(hub.messages("scan_taken")) == 4)
        await until(lambda: bytes(hub.received).endswith(b"~"))
        assert len(hub.received) % 64 == 0


async def test_stop_says_goodbye_and_tells_no_fault(line: Pty) -> None:
    with FakeHub(line) as hub:
        bridge = Supervised(str(line.path))
        bridge.link.start()
        await until(lambda: bridge.link.is_up and hub.link.is_up)
        await bridge.link.stop()
        await until(lambda: ("down", "closed_by_peer") in hub.events)
        assert bridge.listener.events[-1] == ("down", "stopped")
        assert bridge.link.state().reason == "stopped"
        assert not bridge.traces
        assert not bridge.link.send("scan_taken", 1)
        await bridge.link.stop()


async def test_stop_returns_soon_in_every_phase(tmp_path: Path, line: Pty) -> None:
    options = HubLinkOptions(silent_ms=60_000, back_off_first_ms=60_000, back_off_max_ms=60_000)
    for port, phase in ((line.path, Phase.WAITING_FOR_HELLO), (tmp_path / "none", Phase.BACKING_OFF)):
        bridge = Supervised(str(port), options)
        bridge.link.start()
        await until(lambda bridge=bridge, phase=phase: bridge.link.phase is phase)  # type: ignore[misc]
        began = time.monotonic()
        await bridge.link.stop()
        assert time.monotonic() - began < 5
        assert bridge.link.phase is Phase.STOPPED
    with open(line.path, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it was closed indeed


async def test_a_missing_port_is_tried_the_moment_it_appears(line: Pty, start: Start) -> None:
    line.vanish()
    options = HubLinkOptions(back_off_first_ms=60_000, back_off_max_ms=60_000)
    bridge = start(line.path, options)
    await until(lambda: bridge.reasons == ["port_missing"])
    assert bridge.link.remedy
    line.plug_in()
    with FakeHub(line):
        await until(lambda: bridge.link.is_up)
    assert bridge.reasons == ["port_missing", "up"]


async def test_a_pulled_plug_is_noticed_and_put_back_resumes(line: Pty, start: Start) -> None:
    with FakeHub(line) as hub:
        bridge = start(line.path)
        await until(lambda: bridge.link.is_up and hub.link.is_up)
        line.vanish()
        await until(lambda: not bridge.link.is_up)
        assert bridge.listener.events[-1] == ("down", "port_vanished")
        await until(lambda: "port_missing" in bridge.reasons)
        hub.boot(b"boot-001")
        line.plug_in()
        await until(lambda: bridge.link.is_up)
        assert bridge.listener.events[-1] == ("up", b"boot-001", True)
        assert bridge.traces[0][0] == "port_vanished"
        assert bridge.traces[0][1]


async def test_a_restarted_hub_is_told_from_a_lost_cable(line: Pty, start: Start) -> None:
    with FakeHub(line, b"boot-001") as hub:
        bridge = start(line.path, HubLinkOptions(silent_ms=5000))
        await until(lambda: bridge.link.is_up and hub.link.is_up)
        hub.boot(b"boot-002")
        await until(lambda: ("down", "hub_restarted") in bridge.listener.events)
        await until(lambda: ("up", b"boot-002", False) in bridge.listener.events)
    assert [event for event in bridge.listener.events if event[0] in ("up", "down")] == [
        ("up", b"boot-001", False),
        ("down", "hub_restarted"),
        ("up", b"boot-002", False),
    ]


async def test_twenty_pulled_plugs_heal_twenty_times(line: Pty, start: Start) -> None:
    rng = random.Random(20)
    with FakeHub(line) as hub:
        bridge = start(line.path)
        for _ in range(20):
            await until(lambda: bridge.link.is_up)
            await asyncio.sleep(rng.random() * 0.01)
            line.vanish()
            await until(lambda: not bridge.link.is_up)
            hub.boot(b"boot-001")
            line.plug_in()
        await until(lambda: bridge.link.is_up)
    assert bridge.link.state().status == "up"


async def test_a_silent_port_is_named_and_listened_to(line: Pty, start: Start) -> None:
    bridge = start(line.path)
    await until(lambda: "silent" in bridge.reasons)
    with FakeHub(line):
        await until(lambda: bridge.link.is_up)


async def hear(bridge: Supervised, line: Pty, said: bytes, reason: str) -> None:
    """Say it again and again: what comes while a silent port is opened anew is heard by nobody."""

    def named() -> bool:
        line.write(said)
        return reason in bridge.reasons

    await until(named)


async def test_nothing_is_sent_to_a_port_on_which_no_hub_spoke(line: Pty, start: Start) -> None:
    bridge = start(line.path)
    await until(lambda: bridge.link.phase is Phase.WAITING_FOR_HELLO)
    await hear(bridge, line, b"MicroPython v1.28.0 on 2026-01-01; Raspberry Pi Pico\r\n>>> ", "repl")
    await asyncio.sleep(0.1)  # several reopenings
    assert line.read() == b""


async def test_a_prompt_stays_the_reason_until_a_frame_comes(line: Pty, start: Start) -> None:
    bridge = start(line.path)
    await until(lambda: bridge.link.phase is Phase.WAITING_FOR_HELLO)
    await hear(bridge, line, b"\r\n>>> ", "repl")
    await asyncio.sleep(0.15)
    assert bridge.link.state().reason == "repl"
    assert bridge.reasons[-1] == "repl" and bridge.reasons.count("repl") == 1
    with FakeHub(line):
        await until(lambda: bridge.link.is_up)


async def test_garbage_is_named_checksum_errors(line: Pty, start: Start) -> None:
    bridge = start(line.path)
    await until(lambda: bridge.link.phase is Phase.WAITING_FOR_HELLO)
    await hear(bridge, line, b"~" + bytes(range(1, 100)) + b"~" + b"\x80\xff" * 30 + b"~", "checksum_errors")


async def test_a_port_in_use_is_named_busy_with_its_user(line: Pty, start: Start) -> None:
    with FakeHub(line):
        first = start(line.path)
        await until(lambda: first.link.is_up)
        second = start(line.path)
        await until(lambda: second.link.state().reason == "port_busy")
        assert str(os.getpid()) in (second.link.detail or "")
        await first.link.stop()
        await until(lambda: second.link.is_up)


def scripted(*errors: str) -> tuple[Callable[[str], Transport], list[FakeTransport]]:
    """Transports that fail to open with these codes in turn; the ones after them open and stay silent."""
    made: list[FakeTransport] = []

    def new(port: str) -> Transport:
        transport = FakeTransport(port)
        if len(made) < len(errors):
            transport.open_error = TransportError(errors[len(made)], "scripted")  # type: ignore[arg-type]
        made.append(transport)
        return transport

    return new, made


class NoWatcher:
    """A port that never comes back by itself; counts the waits."""

    def __init__(self) -> None:
        self.waits = 0

    def mark(self) -> None: ...

    async def changed(self) -> None:
        self.waits += 1
        await asyncio.get_running_loop().create_future()


class WatchedByHand:
    """A port that appears when the test says so."""

    def __init__(self) -> None:
        self.appears = asyncio.Event()

    def mark(self) -> None:
        self.appears.clear()

    async def changed(self) -> None:
        await self.appears.wait()


async def test_what_a_hub_tells_of_its_own_counts_is_in_the_statistics_for_its_life(line: Pty, start: Start) -> None:
    with FakeHub(line) as hub:
        bridge = start(line.path)
        await until(lambda: bridge.link.is_up and hub.link.is_up)
        assert "hub_error_checksum" not in bridge.link.state().statistics
        hub.link.send("errors", 1, 2, 3, 4, 5, 6, 0, 8, 9)
        await until(lambda: "hub_error_checksum" in bridge.link.state().statistics)
        told = bridge.link.state().statistics
        assert (told["hub_error_length"], told["hub_error_checksum"], told["hub_error_message"]) == (1, 2, 9)
        assert "hub_error_ack" not in told
        assert not [event for event in bridge.listener.events if event[0] == "message"]

        hub.boot(b"boot-002")
        await until(lambda: not bridge.link.is_up)
        assert bridge.link.state().statistics["hub_error_checksum"] == 2
        await until(lambda: bridge.link.is_up and hub.link.is_up)
        assert "hub_error_checksum" not in bridge.link.state().statistics


async def test_counts_go_on_over_connections_and_what_waits_is_of_the_present_one(start: Start) -> None:
    new, made = scripted()
    watcher = WatchedByHand()
    bridge = start("fake", PATIENT, new_transport=new, watcher=watcher)
    for number in (1, 2, 3):
        await until(lambda: bridge.link.phase is Phase.WAITING_FOR_HELLO)
        receiver = made[-1].receiver
        assert receiver is not None
        receiver.data_received(DAMAGED)
        told = bridge.link.state().statistics
        assert (told["error_checksum"], told["waiting_printer"]) == (number, 0)
        receiver.lost(TransportError("port_vanished", "gone"))
        await until(lambda: bridge.link.phase is Phase.BACKING_OFF)
        told = bridge.link.state().statistics
        assert told["error_checksum"] == number and "waiting_printer" not in told
        watcher.appears.set()
    await bridge.link.stop()
    assert bridge.link.state().statistics["error_checksum"] == 3


async def test_the_first_failure_is_a_warning_and_repeated_ones_are_not(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    new, made = scripted(*["permission_denied"] * 4, "port_busy")
    bridge = start("fake", new_transport=new, watcher=NoWatcher())
    await until(lambda: len(made) > 5)
    levels = [(r.levelname, r.getMessage().split(": ")[1].split()[0]) for r in caplog.records if "no link" in r.message]
    assert levels[:5] == [
        ("WARNING", "permission_denied"),
        *[("DEBUG", "permission_denied")] * 3,
        ("WARNING", "port_busy"),
    ]
    assert bridge.reasons[:2] == ["permission_denied", "port_busy"]


async def test_a_pulled_plug_is_warned_of_once(line: Pty, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    with FakeHub(line):
        bridge = start(line.path)
        await until(lambda: bridge.link.is_up)
        caplog.clear()
        line.vanish()
        await until(lambda: "port_missing" in bridge.reasons)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith("no link to the hub: port_vanished")


async def test_back_off_doubles_with_jitter_up_to_its_bound(mocker: Any) -> None:
    bridge = Supervised("fake", HubLinkOptions())
    link: Any = bridge.link
    for seed in range(20):
        link._rng = random.Random(seed)
        for failures, base in enumerate((250, 500, 1000, 2000, 4000, 5000, 5000)):
            link._failures = failures
            assert base * 0.8 - 1 <= link._delay_ms() <= base * 1.2
    link._failures = 10**9
    assert link._delay_ms() <= 6000


async def test_never_gives_up(start: Start) -> None:
    new, made = scripted(*["io_error"] * 50)
    options = HubLinkOptions(back_off_first_ms=1, back_off_max_ms=1, silent_ms=10)
    start("fake", options, new_transport=new, watcher=NoWatcher())
    await until(lambda: len(made) > 50)


async def test_a_mistake_inside_costs_one_attempt_not_the_link(
    start: Start, line: Pty, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def broken_once(port: str) -> Transport:
        calls.append(port)
        if len(calls) == 1:
            raise ZeroDivisionError("a mistake")
        from host_bridge.hub.transport import SerialTransport

        return SerialTransport(port)

    with FakeHub(line):
        bridge = start(line.path, new_transport=broken_once)
        await until(lambda: bridge.link.is_up)
    assert bridge.reasons[0] == "io_error"
    assert "a mistake" in caplog.text


async def test_a_failing_listener_takes_nothing_from_the_others(line: Pty, start: Start) -> None:
    class Broken(Listener):
        def link_up(self, hello: dict[str, Any], resumed: bool) -> None:
            raise ZeroDivisionError

    with FakeHub(line):
        bridge = Supervised(str(line.path))
        bridge.link._listeners.insert(0, Broken())
        bridge.link.start()
        await until(lambda: bridge.listener.events)
        assert bridge.link.is_up
        await bridge.link.stop()


async def test_recovery_reopens_then_pulses_then_pulls_the_reset_line_and_begins_anew(start: Start) -> None:
    new, made = scripted()
    resets: list[int] = []

    async def reset() -> None:
        resets.append(len(made))

    options = HubLinkOptions(
        silent_ms=5, back_off_first_ms=1, back_off_max_ms=1, recovery=Recovery(pulse_at=2, reset_at=3)
    )
    start("fake", options, new_transport=new, watcher=NoWatcher(), reset_hub=reset)
    await until(lambda: len(made) > 6)
    assert [bool(each.pulses) for each in made[:6]] == [False, True, False, False, True, False]
    assert made[1].pulses == [RESET_PULSE]
    assert resets[:2] == [3, 6]


async def test_a_board_that_a_pulse_would_put_into_its_loader_gets_none(start: Start) -> None:
    new, made = scripted()
    options = HubLinkOptions(
        silent_ms=5,
        back_off_first_ms=1,
        back_off_max_ms=1,
        recovery=Recovery(pulse_at=1),
        host=host_of("esp32_s3_devkitc"),
    )
    start("fake", options, new_transport=new, watcher=NoWatcher())
    await until(lambda: len(made) > 4)
    assert not any(each.pulses for each in made)


async def test_a_reset_line_that_fails_does_not_stop_the_link(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    new, made = scripted()

    async def reset() -> None:
        raise OSError("no such pin")

    options = HubLinkOptions(silent_ms=5, back_off_first_ms=1, back_off_max_ms=1, recovery=Recovery(reset_at=1))
    start("fake", options, new_transport=new, watcher=NoWatcher(), reset_hub=reset)
    await until(lambda: len(made) > 3)
    assert "no such pin" in caplog.text


async def test_a_port_that_cannot_be_opened_is_never_reset(start: Start) -> None:
    new, made = scripted(*["port_busy"] * 10)

    async def reset() -> None:
        pytest.fail("a busy port is no reason to reset the hub")

    options = HubLinkOptions(
        silent_ms=1000, back_off_first_ms=1, back_off_max_ms=1, recovery=Recovery(pulse_at=1, reset_at=1)
    )
    start("fake", options, new_transport=new, watcher=NoWatcher(), reset_hub=reset)
    await until(lambda: len(made) > 10)


def com(device: str, vid: int | None, pid: int | None = None) -> Any:
    return SimpleNamespace(device=device, description=device, manufacturer=None, vid=vid, pid=pid, serial_number=None)


async def test_auto_finds_the_hub_behind_ports_that_are_none(line: Pty, start: Start, tmp_path: Path) -> None:
    silent = Pty(tmp_path / "silent")
    found = [com(str(silent.path), 0x2E8A), com(str(tmp_path / "gone"), 0x303A), com(str(line.path), 0x0403)]
    with FakeHub(line):
        bridge = start("auto", comports=lambda: found)
        await until(lambda: bridge.link.is_up)
        assert bridge.link.state().port == str(line.path)
    silent.vanish()


async def test_auto_tries_the_port_that_was_good_first(line: Pty, start: Start, tmp_path: Path) -> None:
    silent = Pty(tmp_path / "silent")
    found = [com(str(silent.path), 0x2E8A), com(str(line.path), 0x0403)]
    opened: list[str] = []
    from host_bridge.hub.transport import SerialTransport

    def new(port: str) -> Transport:
        opened.append(port)
        return SerialTransport(port)

    with FakeHub(line) as hub:
        bridge = start("auto", comports=lambda: found, new_transport=new)
        await until(lambda: bridge.link.is_up)
        assert opened[0] == str(silent.path)
        assert opened[-2:] == [str(line.path), str(line.path)]  # heard alone, and then served
        tried = len(opened)
        hub.boot(b"boot-002")
        await until(lambda: ("up", b"boot-002", False) in bridge.listener.events)
        assert opened[tried:] == [str(line.path)]
    silent.vanish()


async def test_auto_with_no_likely_port_says_so(start: Start) -> None:
    bridge = start("auto", comports=lambda: [com("/dev/ttyS0", None)])
    await until(lambda: bridge.reasons == ["port_missing"])
    assert "no port looks like a hub" in (bridge.link.detail or "")


async def test_of_several_candidates_the_most_telling_failure_shows(start: Start) -> None:
    new, made = scripted("port_missing", "permission_denied", "io_error")
    found = [com("a", 0x2E8A), com("b", 0x2E8A), com("c", 0x2E8A)]
    bridge = start("auto", comports=lambda: found, new_transport=new, watcher=NoWatcher())
    await until(lambda: len(made) > 2 and bridge.reasons)
    assert bridge.reasons[0] == "permission_denied"


@pytest.mark.parametrize(
    ("carrier", "named", "expected"),
    [
        ("UART", None, "uart"),
        ("TCP", None, "tcp"),
        ("USB CDC", None, "usb"),
        ("pty", None, "usb"),
        ("pty", "uart", "uart"),
    ],
)
def test_the_links_numbers_follow_the_carrier_unless_named(carrier: str, named: Any, expected: str) -> None:
    link: Any = HubLink("nowhere", options=HubLinkOptions(profile=named))
    assert link._real_link(carrier, 1).profile.name == expected


async def test_two_hubs_live_in_one_process(tmp_path: Path, start: Start) -> None:
    lines = [Pty(tmp_path / "one"), Pty(tmp_path / "two")]
    with FakeHub(lines[0], b"boot-one"), FakeHub(lines[1], b"boot-two"):
        bridges = [start(line.path) for line in lines]
        await until(lambda: all(bridge.link.is_up for bridge in bridges))
        lines[0].vanish()
        await until(lambda: not bridges[0].link.is_up)
        assert bridges[1].link.is_up
    lines[1].vanish()


async def test_text_between_frames_is_kept_while_the_session_goes_on(line: Pty, start: Start) -> None:
    with FakeHub(line) as hub:
        bridge = start(line.path)
        await until(lambda: bridge.link.is_up and hub.link.is_up)
        line.write(b"hello from the hub\r\n")
        await until(lambda: bridge.link.console_lines == ["hello from the hub"])
        assert bridge.link.is_up


async def test_starting_twice_is_a_mistake_that_is_named(start: Start, line: Pty) -> None:
    bridge = start(line.path)
    with pytest.raises(RuntimeError, match="started already"):
        bridge.link.start()


async def test_everything_is_refused_while_down(tmp_path: Path) -> None:
    link = HubLink(str(tmp_path / "none"))
    assert not link.send("scan_taken", 1)
    assert link.room(1) == 0
    assert link.peer_clock_ms() is None
    link.grant(2)
    assert link.state().status == "down"
    assert link.state().reason == "starting"
    await link.stop()


def test_every_phase_can_be_left_and_reached() -> None:
    for phase in Phase:
        assert any(start is phase and end is not phase for (start, _), end in TRANSITIONS.items())
        assert any(end is phase and start is not phase for (start, _), end in TRANSITIONS.items())


@given(st.lists(st.sampled_from(Step)))
def test_only_steps_of_the_table_are_taken(steps: list[Step]) -> None:
    link: Any = HubLink("nowhere")
    for step in steps:
        before = link.phase
        if (before, step) in TRANSITIONS:
            link._advance(step)
            assert link.phase is TRANSITIONS[(before, step)]
        else:
            with pytest.raises(RuntimeError, match="can't"):
                link._advance(step)
            assert link.phase is before


def test_the_test_hub_speaks_as_a_hub_does() -> None:
    from hublink.hello import pack_hello, unpack_hello

    said = {**hello(), "nonce": 1, "dictionary": 2, "credit": bytes(6)}
    assert unpack_hello(pack_hello(said)) == {**said, "protocol_min": 1, "protocol_max": 1}
