"""One connection to a hub, used once: a transport, a link, and the pump between them.

The link computes, this moves: what the transport read goes into the link; after each input, timer and message sent, the
link's events go to the listener and its frames to the transport. No more frames are taken from the link than the
transport is about to write, so that what matters most is chosen at the last moment and never waits behind a receipt.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from host_bridge.hub.console import Console
from host_bridge.hub.hearing import Hearing
from host_bridge.hub.transport import LineStep, Transport, TransportError, TransportFull
from host_bridge.plain_text import plain_texts
from hublink.words import CHANNEL_NAMES

log = logging.getLogger(__name__)

TICKS_MASK = (1 << 30) - 1  # the link's clock wraps as MicroPython's ticks do
SILENT_MS = 2000  # twenty of the hub's HELLO beacons
NO_ANSWER_MS = 6000  # of frames that lead to no session; the hub needs 2 s to give an old one up, 0.5 s to say HELLO
WRITE_AHEAD_BYTES = 512  # two frames: one on its way, one behind it; or one of the longest
READ_BYTES = 768  # at a time, by a hub that reads whole units: a frame that begins there is best to end there
JAM_POLL_MS = 50  # how often the link's timers run while the transport takes nothing
TIMER_MIN_MS = 1
LOOKS = 4  # at a hub that is heard, in the time after which it would be silent
FILLER = b"\x7e"  # the frame delimiter; a receiver skips empty space between two of them

# How a connection ends without a fault.
STOPPED = "stopped"
STANDBY = "standby"  # its session was left to the other path
# Ends that the hub brought about while the port is fine: the next connection can follow at once.
HUB_REASONS = frozenset(("hub_restarted", "hub_lost_session", "closed_by_peer"))
VERSION_REASONS = frozenset(("bridge_too_old", "firmware_too_old", "version_mismatch"))
# Ends of a connection whose port opened but on which no session came up.
UNHEARD_REASONS = frozenset(("silent", "repl", "checksum_errors", "no_answer"))

TraceFrame = tuple[object, ...]


class SessionLink(Protocol):
    """What a connection asks of ``hublink.link.Link``."""

    statistics: dict[str, int]
    queues: list[list[Any]]  # of each channel, what waits for its turn
    flight: list[Any]  # what the hub has not acknowledged
    trace: list[TraceFrame]
    round_trip_ms: int | None
    peer: dict[str, Any]  # the hub's HELLO, before it is answered

    @property
    def is_up(self) -> bool: ...
    @property
    def session(self) -> int: ...
    def start(self, now: int) -> None: ...
    def stand_by(self, standby: bool, now: int) -> None: ...
    def close(self, now: int) -> None: ...
    def receive(self, data: bytes, now: int) -> None: ...
    def send(self, name: str, *values: object) -> bool: ...
    def room(self, channel: int) -> int: ...
    def grant(self, channel: int, count: int = 1) -> None: ...
    def peer_clock_ms(self, now: int) -> int | None: ...
    def next_event(self) -> tuple[Any, ...] | None: ...
    def data_to_send(self, now: int) -> bytes: ...
    def next_timer(self, now: int) -> int | None: ...
    def handle_timer(self, now: int) -> None: ...


class ConnectionListener(Protocol):
    """Who hears of a connection; called in the event loop, never after ``run`` has returned."""

    def opened(self) -> None: ...
    def diagnosed(self, code: str, detail: str) -> None:
        """No session yet, and this is why; the connection goes on listening."""

    def judge(self, hello: dict[str, Any]) -> CloseReason | None:
        """A hub greets and has not been answered: None if it is wanted here."""

    def heard(self, hello: dict[str, Any]) -> None:
        """On standby: the hub has said HELLO and answered to it."""

    def link_up(self, hello: dict[str, Any]) -> None: ...
    def link_down(self, reason: str) -> None: ...
    def message(self, name: str, values: tuple[Any, ...]) -> None: ...
    def writable(self, channel: int) -> None: ...
    def link_trace(self, reason: str, frames: list[TraceFrame]) -> None:
        """The last frames each way of a link that went down in error."""


class CloseReason(NamedTuple):
    """Why a connection ended: a code and what exactly was seen."""

    code: str
    detail: str
    remedy: str | None = None
    was_up: bool = False


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a connection, in milliseconds unless named otherwise."""

    silent_ms: int = SILENT_MS
    no_answer_ms: int = NO_ANSWER_MS
    write_ahead_bytes: int = WRITE_AHEAD_BYTES
    unit_bytes: int = 1  # writes are filled up to whole units of this, for a hub that reads its stdin in blocks


class Sender(Protocol):
    def data_to_send(self, now: int) -> bytes: ...


def gather(link: Sender, now: int, room_bytes: int, unit_bytes: int) -> bytes:
    """Frames for one write, until the room is used up, filled up to whole units.

    The delimiter that ends a frame begins the next.
    """
    batch = bytearray()
    while len(batch) < room_bytes and (frame := link.data_to_send(now)):
        batch += frame[1:] if batch.endswith(FILLER) else frame
        if -len(batch) % READ_BYTES < unit_bytes:
            batch += FILLER * (-len(batch) % READ_BYTES)
    return bytes(batch) + FILLER * (-len(batch) % unit_bytes)


class HubConnection:
    """See the module's text. ``patience_ms``: how long to go on listening on a port where no session comes up.

    ``standby``: only listen and probe, until :meth:`stand_by` asks for a session.
    """

    def __init__(
        self,
        transport: Transport,
        link: SessionLink,
        listener: ConnectionListener,
        *,
        console: Console | None = None,
        limits: ConnectionLimits | None = None,
        patience_ms: int = SILENT_MS,
        pulse: tuple[LineStep, ...] | None = None,
        standby: bool = False,
    ) -> None:
        self._standby = standby
        self._transport = transport
        self._link = link
        self._listener = listener
        self._console = console or Console()
        self._limits = limits or ConnectionLimits()
        self._patience_ms = max(patience_ms, self._limits.silent_ms)
        self._pulse = pulse
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[CloseReason] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._diagnosis_timer: asyncio.TimerHandle | None = None
        self._hearing = Hearing(
            link.statistics, silent_ms=self._limits.silent_ms, no_answer_ms=self._limits.no_answer_ms
        )
        self._was_up = False
        self._pumping = False
        self._again = False
        self._pump_due = False
        self._diagnosed: tuple[str, str] | None = None
        self._judged: bytes | None = None  # the hub that may be answered
        self._started = False

    @property
    def is_up(self) -> bool:
        return self._link.is_up and not self._ended.done()

    @property
    def session(self) -> int:
        """The session's number, which differs from the one first drawn if several HELLOs had to be answered."""
        return self._link.session

    @property
    def round_trip_ms(self) -> int | None:
        return self._link.round_trip_ms

    @property
    def counters(self) -> Mapping[str, int]:
        """What the link has counted."""
        return self._link.statistics

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many messages wait at this moment, by channel, and how many for the hub's acknowledgement."""
        waiting = {f"waiting_{name}": len(queue) for name, queue in zip(CHANNEL_NAMES, self._link.queues, strict=True)}
        return {**waiting, "unacknowledged": len(self._link.flight)}

    async def run(self) -> CloseReason:
        """Open, serve until the link or the port is lost or ``stop`` is called, close; return why it ended."""
        if self._started:
            raise RuntimeError("a connection is used once; make a new one")
        self._started = True
        drain = False
        try:
            reason = await self._serve()
            if reason.code in (STOPPED, STANDBY):
                drain = True
                self._say_goodbye()
            if reason.code in ("port_vanished", "port_missing"):
                self._console.forget_repl()  # what is plugged in next has shown no prompt
            return reason
        finally:
            self._end("closed", "the connection was cancelled")
            self._cancel_timers()
            self._console.flush()
            await self._transport.close(drain=drain)

    def stop(self) -> None:
        """End the connection in order; ``run`` returns soon after."""
        self._pump()  # what was sent before the stop still goes
        self._end(STOPPED, "stopped by the bridge")

    def stand_by(self, standby: bool) -> None:
        """Leave the session to another path, or ask for it. A session that is open ends, and the connection with it."""
        if standby == self._standby:
            return
        self._standby = standby
        self._judged = None  # standing by is judged otherwise than being served
        if standby and self.is_up:
            self._end(STANDBY, "the session is left to the other path")
            return
        self._link.stand_by(standby, self._now_ms())
        if self._diagnosis_timer is not None:
            self._wait_anew()
        self._pump()

    def send(self, name: str, *values: object) -> bool:
        """Queue a message; False if the link is down or its channel has no room.

        It goes out when the loop comes round, together with what else is sent until then.
        """
        if self._ended.done() or not self._link.send(name, *values):
            return False
        if not self._pump_due:
            self._pump_due = True
            self._loop.call_soon(self._pump)
        return True

    def room(self, channel: int) -> int:
        """How many messages can be queued on ``channel`` now."""
        return 0 if self._ended.done() else self._link.room(channel)

    def grant(self, channel: int, count: int = 1) -> None:
        """Let the hub send ``count`` more messages on a held channel: that many are dealt with for good."""
        if not self._ended.done():
            self._link.grant(channel, count)
            self._pump()

    def peer_clock_ms(self) -> int | None:
        """The hub's clock now, for deadlines in its own time; None until it has told."""
        return None if self._ended.done() else self._link.peer_clock_ms(self._now_ms())

    # -- what the transport calls --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self._ended.done():
            self._link.receive(data, self._now_ms())
            if self._hearing.note(self._loop.time() * 1000) and self._console.repl_seen:
                self._console.forget_repl()
            self._pump()

    def drained(self) -> None:
        self._pump()

    def lost(self, error: TransportError) -> None:
        self._end(error.code, error.detail, error.remedy)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def _serve(self) -> CloseReason:
        try:
            await self._transport.open(self)
            if self._pulse is not None:
                log.info("%s: resetting the hub by DTR/RTS", self._transport.port)
                await self._transport.pulse(self._pulse)
        except TransportError as error:
            return CloseReason(error.code, error.detail, error.remedy)
        if not self._ended.done():
            self._link.start(self._now_ms())
            self._link.stand_by(self._standby, self._now_ms())
            self._listener.opened()
            self._wait_anew()
            self._pump()
        await asyncio.wait((self._ended,))  # not the future itself: cancelling this would end it without a reason
        reason = self._ended.result()
        if self._was_up:
            self._listener.link_down(reason.code)
            if reason.code not in (STOPPED, STANDBY) and self._link.trace:
                self._listener.link_trace(reason.code, list(self._link.trace))
        return reason

    def _end(self, code: str, detail: str, remedy: str | None = None) -> None:
        if not self._ended.done():
            self._ended.set_result(CloseReason(code, detail, remedy, self._was_up))

    def _say_goodbye(self) -> None:
        """Tell the hub that the session is over, so that it need not find out by silence."""
        self._link.close(self._now_ms())
        try:
            self._write_frames()
        except TransportError as error:
            log.debug("no goodbye: %s", error)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._diagnosis_timer):
            if timer is not None:
                timer.cancel()

    # -- the pump ------------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Move events and frames until there are none. A listener that sends in its call only asks for more."""
        self._pump_due = False
        self._again = True
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._again and not self._ended.done():
                self._again = False
                self._hand_on_events()
                self._judge_greeting()
                if not self._ended.done():
                    self._write_frames()
        except TransportError as error:
            self._end(error.code, error.detail, error.remedy)
        finally:
            self._pumping = False
            self._set_timer()

    def _judge_greeting(self) -> None:
        """Before the answer to a HELLO goes out."""
        peer = self._link.peer
        if self._ended.done() or not peer or peer["hub_id"] == self._judged:
            return
        self._judged = peer["hub_id"]
        reason = self._listener.judge(plain_texts(peer))
        if reason is not None:
            self._end(reason.code, reason.detail, reason.remedy)

    def _hand_on_events(self) -> None:
        while not self._ended.done() and (event := self._link.next_event()) is not None:
            self._hand_on(event)

    def _hand_on(self, event: tuple[Any, ...]) -> None:
        kind = event[0]
        if kind == "message":
            self._listener.message(event[1], event[2])
        elif kind == "writable":
            self._listener.writable(event[1])
        elif kind == "text":
            self._on_text(event[1])
        elif kind == "up":
            self._on_up(event[1])
        elif kind == "heard":
            self._on_heard(event[1])
        elif kind == "down":
            self._on_down(event[1])
        else:
            raise ValueError(f"the link gave an unknown event: {event!r}")

    def _on_up(self, hello: dict[str, Any]) -> None:
        self._was_up = True
        self._console.forget_repl()
        if self._diagnosis_timer is not None:
            self._diagnosis_timer.cancel()
        self._listener.link_up(plain_texts(hello))

    def _on_heard(self, hello: dict[str, Any]) -> None:
        self._console.forget_repl()
        self._diagnosed = None
        self._wait_anew()
        self._listener.heard(plain_texts(hello))

    def _on_down(self, reason: str) -> None:
        """A hub that fell silent in a session has perhaps said why: what came instead of frames tells."""
        code, detail = self._hearing.why_unheard(self._console.repl_seen) if reason == "silent" else (reason, "")
        self._end(code, detail if code != reason else f"the link ended: {reason}")

    def _on_text(self, text: bytes) -> None:
        self._console.feed(text)
        if self._console.repl_seen and not self._was_up and not self._hearing.frames:
            self._tell_diagnosis(*self._hearing.why_unheard(repl_seen=True))

    def _write_frames(self) -> None:
        """Write until there is nothing to say, or the transport has enough for now and will tell when it is drained."""
        while self._write_batch():
            pass

    def _write_batch(self) -> bool:
        room_bytes = self._limits.write_ahead_bytes - self._transport.queued_bytes
        batch = gather(self._link, self._now_ms(), room_bytes, self._limits.unit_bytes)
        if not batch:
            return False
        try:
            self._transport.write(batch)
        except TransportFull as error:  # can't be with a sane bound; the frames are lost and the link repeats them
            log.warning("%s: %s", self._transport.port, error)
            return False
        return True

    def _set_timer(self) -> None:
        """Wake up when the link wants to. A timer that rings before is left: cheaper than a new one each frame."""
        due_ms = None if self._ended.done() else self._link.next_timer(self._now_ms())
        due_at = 0.0
        if due_ms is not None:
            jammed = self._transport.queued_bytes >= self._limits.write_ahead_bytes
            due_at = self._loop.time() + max(due_ms, JAM_POLL_MS if jammed else TIMER_MIN_MS) / 1000
        if self._timer is not None:
            if due_ms is not None and self._timer.when() <= due_at:
                return
            self._timer.cancel()
            self._timer = None
        if due_ms is not None:
            self._timer = self._loop.call_at(due_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self._ended.done():
            self._link.handle_timer(self._now_ms())
            self._pump()

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000) & TICKS_MASK

    # -- why no session comes up ---------------------------------------------------------------------------------------

    def _wait_anew(self) -> None:
        """From here on counts how long nothing has been heard."""
        self._hearing.begin(self._loop.time() * 1000)
        if self._diagnosis_timer is not None:
            self._diagnosis_timer.cancel()
        self._diagnosis_timer = self._loop.call_later(self._limits.silent_ms / 1000, self._diagnose)

    def _diagnose(self) -> None:
        """Say why there is no session, and give up when patience has run out."""
        if self._ended.done() or self._was_up:
            return
        now_ms = self._loop.time() * 1000
        waited_ms = self._hearing.waited_ms(now_ms)
        look_ms, patience_ms = float(self._limits.silent_ms), self._patience_ms
        if self._hearing.frames:  # it may yet come up: a port is not closed for it sooner
            look_ms, patience_ms = look_ms / LOOKS, max(patience_ms, self._limits.no_answer_ms)
        code, detail = self._hearing.why_no_session(self._console.repl_seen, now_ms)
        if code:
            self._tell_diagnosis(code, detail)
            if waited_ms >= patience_ms - 1:
                self._end(code, detail)
                return
        left_ms = patience_ms - waited_ms
        wait_ms = left_ms if 0 < left_ms < look_ms else look_ms
        self._diagnosis_timer = self._loop.call_later(wait_ms / 1000, self._diagnose)

    def _tell_diagnosis(self, code: str, detail: str) -> None:
        if self._diagnosed != (code, detail):
            self._diagnosed = (code, detail)
            self._listener.diagnosed(code, detail)
