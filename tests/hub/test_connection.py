"""One connection: the pump, what it tells of a port without a session, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from host_bridge.hub import hearing
from host_bridge.hub.connection import (
    JAM_POLL_MS,
    STOPPED,
    TICKS_MASK,
    CloseReason,
    ConnectionLimits,
    HubConnection,
    TraceFrame,
)
from host_bridge.hub.console import Console
from host_bridge.hub.transport import RESET_PULSE, TransportError, TransportFull
from hublink.frame import DATA, FrameReader, FrameWriter
from hublink.messages import PRINTER
from hublink.words import CHANNEL_NAMES
from tests.hub.peers import FakeTransport, until, within

QUICK = ConnectionLimits(silent_ms=10, no_answer_ms=30)
PATIENT = ConnectionLimits(silent_ms=60_000, no_answer_ms=60_000)  # however long the machine stands still


class FakeLink:
    """A link whose events and frames a test lays out."""

    def __init__(self) -> None:
        self.statistics: dict[str, int] = {"frames_in": 0, "bytes_in": 0}
        self.queues: list[list[Any]] = [[] for _ in CHANNEL_NAMES]
        self.flight: list[Any] = []
        self.trace: list[TraceFrame] = [(0, "in", "HELLO")]
        self.round_trip_ms: int | None = 3
        self.peer: dict[str, Any] = {}
        self.is_up = False
        self.session = 7
        self.events: deque[tuple[Any, ...]] = deque()
        self.frames: deque[bytes] = deque()
        self.received = bytearray()
        self.sent: list[tuple[Any, ...]] = []
        self.timer_ms: int | None = None
        self.timers = 0
        self.on_timer: Callable[[], object] = lambda: None
        self.clocks: list[int] = []
        self.granted: list[tuple[int, int]] = []
        self.standby = False

    def start(self, now: int) -> None:
        self.clocks.append(now)

    def stand_by(self, standby: bool, now: int) -> None:
        self.standby = standby

    def close(self, now: int) -> None:
        if self.is_up:
            self.frames.append(b"<close>")

    def receive(self, data: bytes, now: int) -> None:
        self.clocks.append(now)
        self.received += data
        self.statistics["bytes_in"] += len(data)

    def send(self, name: str, *values: object) -> bool:
        self.sent.append((name, *values))
        self.frames.append(f"<{name}>".encode())
        return True

    def room(self, channel: int) -> int:
        return 5

    def grant(self, channel: int, count: int = 1) -> None:
        self.granted.append((channel, count))

    def peer_clock_ms(self, now: int) -> int | None:
        return 42

    def next_event(self) -> tuple[Any, ...] | None:
        if not self.events:
            return None
        event = self.events.popleft()
        if event[0] == "up":
            self.is_up = True
        return event

    def data_to_send(self, now: int) -> bytes:
        return self.frames.popleft() if self.frames else b""

    def next_timer(self, now: int) -> int | None:
        return self.timer_ms

    def handle_timer(self, now: int) -> None:
        self.timers += 1
        self.on_timer()


class Listener:
    """Remembers everything, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.on_opened: Callable[[], object] = lambda: None
        self.on_message: Any = None
        self.refusal: CloseReason | None = None
        self.judged: list[dict[str, Any]] = []

    def opened(self) -> None:
        self.events.append(("opened",))
        asyncio.get_running_loop().call_soon(self.on_opened)

    def diagnosed(self, code: str, detail: str) -> None:
        self.events.append(("diagnosed", code))

    def judge(self, hello: dict[str, Any]) -> CloseReason | None:
        self.judged.append(hello)
        self.events.append(("judged", hello["hub_id"]))
        return self.refusal

    def heard(self, hello: dict[str, Any]) -> None:
        self.events.append(("heard", hello))

    def link_up(self, hello: dict[str, Any]) -> None:
        self.events.append(("up", hello))

    def link_down(self, reason: str) -> None:
        self.events.append(("down", reason))

    def message(self, name: str, values: tuple[Any, ...]) -> None:
        self.events.append(("message", name, values))
        if self.on_message is not None:
            self.on_message()

    def writable(self, channel: int) -> None:
        self.events.append(("writable", channel))

    def link_trace(self, reason: str, frames: list[TraceFrame]) -> None:
        self.events.append(("trace", reason, len(frames)))


class Bench:
    """A connection over a fake transport and link, running."""

    def __init__(self, **arguments: Any) -> None:
        self.transport = FakeTransport()
        self.link = FakeLink()
        self.listener = Listener()
        arguments.setdefault("limits", PATIENT)
        self.connection = HubConnection(self.transport, self.link, self.listener, patience_ms=10, **arguments)
        self.task: asyncio.Task[CloseReason] | None = None

    async def run(self) -> None:
        self.task = asyncio.create_task(self.connection.run())
        await self.transport.opened.wait()
        await until(lambda: ("opened",) in self.listener.events)

    async def up(self) -> None:
        await self.run()
        self.give(("up", {"name": "x"}))

    def give(self, *events: tuple[Any, ...]) -> None:
        self.link.events.extend(events)
        self.connection.data_received(b".")

    def hear_frame(self) -> None:
        self.link.statistics["frames_in"] += 1
        self.connection.data_received(b"a valid frame")

    def say_hello(self) -> None:
        self.link.statistics["hellos"] += 1
        self.hear_frame()

    async def end(self) -> CloseReason:
        assert self.task is not None
        reason: CloseReason = await within(self.task)
        return reason


async def test_bytes_go_in_and_events_and_frames_come_out() -> None:
    bench = Bench()
    await bench.up()
    bench.link.frames.append(b"<ack>")
    bench.give(("message", "scan", (1,)), ("writable", 4))
    assert bench.link.received == b".."
    assert bench.listener.events[1:] == [("up", {"name": "x"}), ("message", "scan", (1,)), ("writable", 4)]
    assert bench.transport.written == [b"<ack>"]
    assert all(0 <= now <= TICKS_MASK for now in bench.link.clocks)
    bench.connection.stop()
    await bench.end()


async def test_what_a_hub_calls_itself_drives_no_terminal() -> None:
    bench = Bench()
    bench.link.peer = {"hub_id": b"hub-0001", "name": "\x1b[2J"}
    await bench.up()
    bench.give(("up", {"name": "\x1b[31mEVIL\nfake: line", "boots": 3}), ("heard", {"board": "\u202epico"}))
    assert ("up", {"name": "\ufffd[31mEVIL\ufffdfake: line", "boots": 3}) in bench.listener.events
    assert ("heard", {"board": "\ufffdpico"}) in bench.listener.events
    assert bench.listener.judged == [{"hub_id": b"hub-0001", "name": "\ufffd[2J"}]
    bench.connection.stop()
    await bench.end()


async def test_a_listener_may_send_from_within_its_call() -> None:
    bench = Bench()
    bench.listener.on_message = lambda: bench.connection.send("scan_taken", 1)
    await bench.up()
    bench.give(("message", "scan", (1,)), ("message", "scan", (2,)))
    assert bench.link.sent == [("scan_taken", 1)] * 2
    assert b"".join(bench.transport.written) == b"<scan_taken>" * 2
    bench.connection.stop()
    await bench.end()


async def test_what_is_sent_in_one_go_leaves_in_one_write_and_before_a_stop() -> None:
    bench = Bench()
    await bench.up()
    assert bench.connection.send("kick", 1)
    assert bench.connection.send("scan_taken", 2)
    await until(lambda: bench.transport.written)
    assert bench.transport.written == [b"<kick><scan_taken>"]
    bench.connection.send("kick", 2)
    bench.connection.stop()
    await bench.end()
    assert bench.transport.written[1:] == [b"<kick>", b"<close>"]


async def test_frames_of_one_write_share_the_delimiter_between_them_and_each_arrives() -> None:
    bench = Bench()
    arrived: list[bytes] = []
    errors: list[object] = []
    await bench.up()
    writer = FrameWriter(from_hub=False)
    payloads = [bytes([number]) * length for number, length in enumerate((240, 1, 0, 240))]
    frames = [writer.frame(DATA, 1, 7, number, 0, payload) for number, payload in enumerate(payloads)]
    bench.link.frames.extend(frames)
    bench.connection.drained()
    (written,) = bench.transport.written
    assert len(written) == sum(map(len, frames)) - 3
    reader = FrameReader(False, lambda *frame: arrived.append(bytes(frame[-1])), errors.append, errors.append)
    reader.feed(written, len(written))
    assert (arrived, errors) == (payloads, [])
    bench.connection.stop()
    await bench.end()


async def test_writes_are_filled_up_to_whole_units_and_nothing_is_written_for_nothing() -> None:
    bench = Bench(limits=msgspec.structs.replace(PATIENT, unit_bytes=64))
    await bench.up()
    assert bench.transport.written == []
    for size in (1, 63, 64, 65):
        bench.link.frames.append(bytes(size))
        bench.connection.drained()
    assert [len(data) for data in bench.transport.written] == [64, 64, 64, 128]
    assert bench.transport.written[0] == b"\0" + b"~" * 63
    bench.connection.stop()
    await bench.end()


async def test_no_more_is_taken_from_the_link_than_is_about_to_be_written() -> None:
    bench = Bench(limits=msgspec.structs.replace(PATIENT, write_ahead_bytes=100))
    await bench.up()
    bench.link.frames.extend([bytes(60)] * 5)
    bench.transport.jammed = True
    bench.connection.drained()
    assert len(bench.transport.written[0]) == 120
    bench.connection.send("kick", 1)
    await asyncio.sleep(0)
    assert len(bench.transport.written) == 1
    bench.transport.queued_bytes = 0
    bench.connection.drained()
    assert len(bench.transport.written[1]) == 120
    bench.connection.stop()
    await bench.end()


async def test_a_jammed_transport_does_not_spin_the_timers() -> None:
    bench = Bench()
    bench.link.timer_ms = 0
    await bench.up()
    bench.transport.queued_bytes = 10_000
    bench.connection.drained()
    before, began = bench.link.timers, time.monotonic()
    await asyncio.sleep(0.06)
    polls = (time.monotonic() - began) * 1000 / JAM_POLL_MS
    assert bench.link.timers - before <= polls + 1  # one was set before the jam
    bench.connection.stop()
    await bench.end()


async def test_the_links_timer_is_kept() -> None:
    bench = Bench()
    bench.link.timer_ms = 1
    await bench.up()
    await until(lambda: bench.link.timers >= 3)
    bench.connection.stop()
    await bench.end()
    after = bench.link.timers
    await asyncio.sleep(0.01)
    assert bench.link.timers == after


async def test_a_lost_port_ends_it_with_the_trace() -> None:
    bench = Bench()
    await bench.up()
    bench.connection.lost(TransportError("port_vanished", "gone", "replug"))
    assert await bench.end() == CloseReason("port_vanished", "gone", "replug", True)
    assert bench.listener.events[-2:] == [("down", "port_vanished"), ("trace", "port_vanished", 1)]
    assert bench.transport.closed.is_set()
    assert not bench.connection.send("kick", 1)
    assert bench.connection.room(1) == 0


async def test_a_link_that_goes_down_ends_it_with_its_reason_and_nothing_is_told_after() -> None:
    bench = Bench()
    await bench.up()
    bench.give(("down", "hub_restarted"), ("message", "scan", (1,)))
    bench.give(("message", "scan", (2,)))
    assert (await bench.end()).code == "hub_restarted"
    assert not [event for event in bench.listener.events if event[0] == "message"]


async def test_stop_says_goodbye_and_drains() -> None:
    bench = Bench()
    await bench.up()
    bench.connection.stop()
    assert (await bench.end()).code == STOPPED
    assert bench.transport.written == [b"<close>"]
    assert bench.transport.drain_asked
    assert ("down", STOPPED) in bench.listener.events
    assert not [event for event in bench.listener.events if event[0] == "trace"]


async def test_a_port_that_does_not_open_ends_it_without_a_word() -> None:
    bench = Bench()
    bench.transport.open_error = TransportError("port_busy", "used")
    assert await within(bench.connection.run()) == CloseReason("port_busy", "used")
    assert bench.listener.events == []


async def test_what_waits_at_this_moment_is_told_apart_from_what_was_counted() -> None:
    bench = Bench()
    bench.link.queues[PRINTER] += [b"one", b"two"]
    bench.link.flight.append(b"three")
    told = bench.connection.waiting
    assert (told["waiting_printer"], told["waiting_drawer"], told["unacknowledged"]) == (2, 0, 1)
    assert bench.connection.counters == {"frames_in": 0, "bytes_in": 0}


async def test_it_is_used_once() -> None:
    bench = Bench()
    await bench.run()
    with pytest.raises(RuntimeError, match="used once"):
        await bench.connection.run()
    bench.connection.stop()
    await bench.end()


async def test_a_pulse_comes_before_listening() -> None:
    bench = Bench(pulse=RESET_PULSE)
    await bench.run()
    assert bench.transport.pulses == [RESET_PULSE]
    bench.connection.stop()
    await bench.end()


async def test_a_broken_write_ends_it() -> None:
    bench = Bench()
    await bench.up()

    def broken(_data: bytes) -> None:
        raise TransportError("io_error", "broken")

    bench.transport.write = broken  # type: ignore[method-assign, assignment]
    bench.connection.send("kick", 1)
    assert (await bench.end()).code == "io_error"


async def test_a_full_transport_loses_frames_not_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    await bench.up()

    def full(_data: bytes) -> None:
        raise TransportFull("full")

    bench.transport.write = full  # type: ignore[method-assign, assignment]
    bench.connection.send("kick", 1)
    await until(lambda: "full" in caplog.text)
    assert bench.connection.is_up
    bench.connection.stop()
    await bench.end()


@pytest.mark.parametrize(
    ("statistics", "code"),
    [
        ({}, "silent"),
        ({"bytes_in": 5}, "silent"),
        ({"bytes_in": 500}, "checksum_errors"),
        ({"bytes_in": 500, "text_bytes": 500}, "silent"),
        ({"error_checksum": 1}, "checksum_errors"),
        ({"error_length": 1}, "checksum_errors"),
        ({"error_version": 3, "error_checksum": 1}, "version_mismatch"),
    ],
)
async def test_why_no_session_comes_up_is_told(statistics: dict[str, int], code: str) -> None:
    bench = Bench(limits=QUICK)
    bench.listener.on_opened = lambda: bench.link.statistics.update(statistics)
    await bench.run()
    reason = await bench.end()
    assert (reason.code, reason.was_up) == (code, False)
    assert bench.listener.events[-1] == ("diagnosed", code)


async def test_a_hub_that_is_heard_is_told_of_and_listened_to_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "UNANSWERED_MS", 0)
    bench = Bench(limits=msgspec.structs.replace(PATIENT, silent_ms=10))
    bench.link.statistics["hellos"] = 0
    bench.link.timer_ms = 1
    bench.link.on_timer = bench.say_hello
    bench.listener.on_opened = bench.say_hello
    await bench.run()
    await until(lambda: ("diagnosed", "no_answer") in bench.listener.events)
    assert not bench.transport.closed.is_set()
    bench.connection.stop()
    await bench.end()


async def test_a_prompt_is_told_at_once() -> None:
    bench = Bench()
    await bench.run()
    bench.give(("text", b">>"))
    bench.give(("text", b"> "))
    assert bench.listener.events[-1] == ("diagnosed", "repl")
    bench.connection.stop()
    await bench.end()


async def test_a_prompt_in_a_running_session_is_only_text() -> None:
    bench = Bench()
    await bench.up()
    bench.give(("text", b">>> "))
    await asyncio.sleep(0.03)
    assert bench.connection.is_up
    assert not [event for event in bench.listener.events if event[0] == "diagnosed"]
    bench.connection.stop()
    await bench.end()


@pytest.mark.parametrize(
    ("text", "statistics", "code"),
    [
        (b"", {}, "silent"),
        (b"KeyboardInterrupt\n", {"text_bytes": 18}, "silent"),
        (b"\r\n>>> ", {"text_bytes": 6}, "repl"),
        (b"", {"error_checksum": 4}, "checksum_errors"),
        (b"", {"bytes_in": 500}, "checksum_errors"),
        (b"", {"error_version": 4}, "version_mismatch"),
    ],
)
async def test_a_session_that_falls_silent_ends_with_what_came_instead_of_frames(
    text: bytes, statistics: dict[str, int], code: str
) -> None:
    bench = Bench()
    await bench.up()
    bench.hear_frame()
    bench.link.statistics.update(statistics)
    bench.give(("text", text), ("down", "silent"))
    reason = await bench.end()
    assert (reason.code, reason.was_up) == (code, True)
    assert ("down", code) in bench.listener.events


async def test_what_came_before_the_last_frame_of_a_session_does_not_tell_why_it_fell_silent() -> None:
    bench = Bench()
    await bench.up()
    bench.link.statistics.update({"error_checksum": 9})
    bench.give(("text", b">>> "))
    bench.hear_frame()
    bench.give(("down", "silent"))
    assert (await bench.end()).code == "silent"


async def test_only_silence_is_looked_into() -> None:
    bench = Bench()
    await bench.up()
    bench.give(("text", b">>> "), ("down", "hub_restarted"))
    assert (await bench.end()).code == "hub_restarted"


@pytest.mark.parametrize("code", ["port_vanished", "port_missing", "io_error"])
async def test_a_prompt_is_forgotten_with_its_port_and_only_then(code: Any) -> None:
    console = Console()
    bench = Bench(console=console)
    await bench.run()
    bench.give(("text", b">>> "))
    bench.connection.lost(TransportError(code, "gone"))
    await bench.end()
    assert console.repl_seen == (code == "io_error")


async def test_a_prompt_is_forgotten_when_its_port_is_missing_at_the_next_try() -> None:
    console = Console()
    console.feed(b">>> ")
    bench = Bench(console=console)
    bench.transport.open_error = TransportError("port_missing", "gone")
    await within(bench.connection.run())
    assert not console.repl_seen


async def test_an_unknown_event_is_an_error_and_the_timers_go_on() -> None:
    bench = Bench()
    bench.link.timer_ms = 1
    await bench.up()
    with pytest.raises(ValueError, match="unknown event"):
        bench.give(("surprise",))
    before = bench.link.timers
    await until(lambda: bench.link.timers > before)
    bench.connection.stop()
    await bench.end()


async def test_cancelling_closes_the_port() -> None:
    bench = Bench()
    await bench.up()
    assert bench.task is not None
    bench.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bench.end()
    assert bench.transport.closed.is_set()


async def test_grant_room_and_clock_pass_through() -> None:
    bench = Bench()
    await bench.up()
    bench.connection.grant(2, 3)
    assert bench.link.granted == [(2, 3)]
    assert bench.connection.room(1) == 5
    assert bench.connection.peer_clock_ms() == 42
    bench.connection.stop()
    await bench.end()
    assert bench.connection.peer_clock_ms() is None


async def test_a_hub_that_is_not_wanted_here_is_never_answered() -> None:
    bench = Bench()
    bench.listener.refusal = CloseReason("other_hub", "another one", "plug in the right one")
    await bench.run()
    bench.link.peer = {"hub_id": b"hub-0002"}
    bench.link.frames.append(b"the answer to its HELLO")
    bench.connection.data_received(b"its HELLO")
    assert await bench.end() == CloseReason("other_hub", "another one", "plug in the right one")
    assert bench.transport.written == []


async def test_a_hub_is_judged_once_a_connection() -> None:
    bench = Bench()
    await bench.run()
    for _ in range(3):
        bench.link.peer = {"hub_id": b"hub-0001"}
        bench.connection.data_received(b"its HELLO")
    assert [event for event in bench.listener.events if event[0] == "judged"] == [("judged", b"hub-0001")]
    bench.connection.stop()
    await bench.end()
