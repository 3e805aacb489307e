"""The supervisor of one hub: makes connection after connection, and never gives up.

    stopped ─start→ searching ─found→ opening ─opened→ waiting_for_hello ─hello→ up
                        ↑                 │                   │                   │
                        └──retry── backing_off ←───failed─────┴───────────────────┘

What is waited for decides how: a missing port is watched for and tried the moment it appears; a port that opens but is
silent stays open and is listened to for the time that the back-off would have taken; only what is left waits.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import msgspec

from host_bridge.boards.schema import Host
from host_bridge.events import LinkEvent
from host_bridge.hub import ports
from host_bridge.hub.choice import HubChoice
from host_bridge.hub.connection import (
    HUB_REASONS,
    SILENT_MS,
    STANDBY,
    STOPPED,
    UNHEARD_REASONS,
    CloseReason,
    ConnectionLimits,
    HubConnection,
    SessionLink,
    TraceFrame,
)
from host_bridge.hub.console import Console
from host_bridge.hub.direct import transport_class
from host_bridge.hub.manners import manners_of, may_pulse
from host_bridge.hub.reset_line import ResetLineError
from host_bridge.hub.transport import (
    RESET_PULSE,
    Lines,
    LineStep,
    Transport,
    TransportLimits,
)
from host_bridge.hub.watcher import PortWatcher, Watcher
from host_bridge.hub.worker import in_thread
from host_bridge.state import LinkState
from hublink.link import BRIDGE, Link
from hublink.messages import ERRORS
from hublink.profile import PROFILES, Profile

log = logging.getLogger(__name__)

BACK_OFF_FIRST_MS = 250
BACK_OFF_MAX_MS = 5000
BACK_OFF_JITTER = 0.2  # several tills that lost their hubs at once shall not come back in step
STABLE_MS = 1000  # a link that held this long starts the back-off anew; one that flaps does not
SEARCH_DEADLINE_MS = 5000
RESET_DEADLINE_MS = 5000
STOP_LIMIT_MS = 3000
CLAIMED_WAIT_MS = 100  # until ports that other hubs of this process try are looked at again
CLAIMED_WAITS = 30  # then the hub counts as missing, and is looked for as rarely as any missing one
STDIN_UNIT_BYTES = 64  # a hub on stdio reads whole units; see docs/protocol.md

# Of the failures of several candidates, the one to show: the first of these that occurred.
_TELLING = (
    *("two_hubs", "same_hub", "other_hub"),
    *("bridge_too_old", "firmware_too_old", "version_mismatch", "repl", "permission_denied", "port_busy"),
    *("checksum_errors", "no_answer", "open_timeout", "io_error", "port_vanished", "silent", "port_missing"),
)


class Phase(enum.StrEnum):
    """Where the supervisor stands."""

    STOPPED = "stopped"
    SEARCHING = "searching"
    OPENING = "opening"
    WAITING_FOR_HELLO = "waiting_for_hello"
    UP = "up"
    BACKING_OFF = "backing_off"


class Step(enum.StrEnum):
    """What moves it on."""

    START = "start"
    FOUND = "found"
    OPENED = "opened"
    HELLO = "hello"
    FAILED = "failed"
    RETRY = "retry"
    STOP = "stop"


TRANSITIONS: dict[tuple[Phase, Step], Phase] = {
    (Phase.STOPPED, Step.START): Phase.SEARCHING,
    (Phase.SEARCHING, Step.FOUND): Phase.OPENING,
    (Phase.SEARCHING, Step.FAILED): Phase.BACKING_OFF,
    (Phase.OPENING, Step.OPENED): Phase.WAITING_FOR_HELLO,
    (Phase.OPENING, Step.FAILED): Phase.BACKING_OFF,
    (Phase.WAITING_FOR_HELLO, Step.HELLO): Phase.UP,
    (Phase.WAITING_FOR_HELLO, Step.FAILED): Phase.BACKING_OFF,
    (Phase.UP, Step.FAILED): Phase.BACKING_OFF,
    (Phase.BACKING_OFF, Step.RETRY): Phase.SEARCHING,
    **{(phase, Step.STOP): Phase.STOPPED for phase in Phase},
}


class LinkListener(Protocol):
    """Who hears of the hub; called in the event loop. Sending from within a call is fine."""

    def link_up(self, hello: dict[str, Any], resumed: bool) -> None:
        """A session began; ``resumed``: the hub lives the same life (boot id) as in the session before."""

    def link_down(self, reason: str) -> None: ...
    def message(self, name: str, values: tuple[Any, ...]) -> None: ...
    def writable(self, channel: int) -> None: ...


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What to try on a port that opens but gives no session. It is reopened each time; then, counting from 1:"""

    pulse_at: int | None = None  # at this attempt toggle DTR/RTS as ``pulse`` says
    pulse: tuple[LineStep, ...] = RESET_PULSE
    reset_at: int | None = None  # at this attempt use the reset line, then count anew


class HubLinkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach and keep a hub."""

    baud: int = 115200
    host: Host | None = None  # what the board file says of DTR and RTS; None: by the port's USB ids
    recovery: Recovery = Recovery()
    held_channels: tuple[int, ...] = ()  # whose credit the owner gives back itself, with ``grant``
    profile: Literal["usb", "uart", "tcp"] | None = None  # the link's numbers; None: by what carries the link
    unit_bytes: int | None = None  # None: 64 on USB CDC, where the hub may read its stdin; 1 elsewhere
    silent_ms: int = SILENT_MS
    back_off_first_ms: int = BACK_OFF_FIRST_MS
    back_off_max_ms: int = BACK_OFF_MAX_MS
    stable_ms: int = STABLE_MS
    transport_limits: TransportLimits = TransportLimits()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def profile_for(transport_name: str) -> Profile:
    """Return the link's numbers for a transport as :func:`ports.transport_name` names it."""
    profile: Profile = PROFILES[{"UART": "uart", "TCP": "tcp"}.get(transport_name, "usb")]
    return profile


class HubLink:
    """The link to one hub. Several can live in one process."""

    def __init__(
        self,
        port: str,
        *,
        options: HubLinkOptions | None = None,
        publish: Callable[[LinkEvent], None] | None = None,
        keep_trace: Callable[[str, list[TraceFrame]], None] | None = None,
        reset_hub: Callable[[], Awaitable[object]] | None = None,
        choice: HubChoice | None = None,
        on_heard: Callable[[dict[str, Any]], None] | None = None,
        clock: Callable[[], datetime] = _utc_now,
        rng: random.Random | None = None,
        watcher: Watcher | None = None,
        comports: ports.ComPorts = ports.system_comports,
        new_transport: Callable[[str], Transport] | None = None,
        new_link: Callable[[str, int], SessionLink] | None = None,
    ) -> None:
        """``keep_trace(reason, frames)`` journals a failed link's last frames; ``reset_hub`` pulls its reset line;
        ``on_heard(hello)``: on standby the hub has answered."""
        self._port = port
        self._options = options or HubLinkOptions()
        self._publish = publish
        self._keep_trace = keep_trace
        self._reset_hub = reset_hub
        self._choice = choice or HubChoice(port)
        self._on_heard = on_heard
        self._standby = False
        self._clock = clock
        self._rng = rng or random.Random()
        self._comports = comports
        self._watcher = watcher or PortWatcher(port, comports=comports)
        self._new_transport = new_transport or self._serial_transport
        self._new_link = new_link or self._real_link
        self._listeners: list[LinkListener] = []
        self._console = Console(port)
        self._task: asyncio.Task[None] | None = None
        self._connection: HubConnection | None = None
        self._phase = Phase.STOPPED
        self._since = self._stamp()
        self._reason: str | None = "starting"
        self._detail: str | None = None
        self._remedy: str | None = None
        self._port_in_use: str | None = None
        self._transport_found: str | None = None
        self._manners: dict[str, Host | None] = {}
        self._transport_name: str | None = None  # of the port that was open last: a missing one can't be asked
        self._hello: dict[str, Any] | None = None
        self._good_port: str | None = None
        self._tried: set[str] = set()  # of several candidates, in this round
        self._among = 1  # how many there are
        self._held_id: str | None = None  # the hub that was judged to be ours on this connection
        self._waits = 0  # for other hubs of this process that try all ports
        self._patient = False  # the only candidate is listened to while the back-off runs
        self._round: list[CloseReason] = []  # failures of this round of candidates
        self._failures = 0  # rounds in a row without a link that held
        self._unheard = 0  # attempts in a row that opened a port and heard no hub
        self._up_at = 0.0
        self._told: str | None = None  # the last reason that was warned of
        self._round_trip_ms: int | None = None
        self._counted: Counter[str] = Counter()  # by the connections that have ended
        self._hub_errors: dict[str, int] = {}  # what the hub last told of its own counts, in this life of it

    # -- what the owner calls ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look for the hub."""
        if self._task is not None:
            raise RuntimeError("the link has been started already")
        self._advance(Step.START)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"hub link {self._port}")

    async def stop(self) -> None:
        """Say goodbye to the hub, close the port and return, within a bound."""
        task, self._task = self._task, None
        if task is None:
            return
        if self._connection is not None and self._connection.is_up:
            self._connection.stop()
            await asyncio.wait((task,), timeout=STOP_LIMIT_MS / 1000)
        task.cancel()
        await asyncio.wait((task,), timeout=STOP_LIMIT_MS / 1000)
        self._advance(Step.STOP)
        self._set_down(STOPPED, "the bridge stopped the link", None)

    def add_listener(self, listener: LinkListener) -> None:
        """Let ``listener`` hear of the hub; in the order of adding."""
        self._listeners.append(listener)

    def stand_by(self, standby: bool) -> None:
        """Leave the session to another path: from now on only listen and probe; or try for a session again."""
        if standby == self._standby:
            return
        self._standby = standby
        self._unheard = 0
        if self._connection is not None:
            self._connection.stand_by(standby)

    @property
    def is_up(self) -> bool:
        return self._phase is Phase.UP

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def hello(self) -> dict[str, Any] | None:
        """The last HELLO, also while the link is down."""
        return self._hello

    @property
    def detail(self) -> str | None:
        """While down: what exactly was seen, for the log and the technician."""
        return self._detail

    @property
    def remedy(self) -> str | None:
        """While down: what to do on this very machine, where that is known."""
        return self._remedy

    @property
    def console_lines(self) -> list[str]:
        """The last lines of text that the hub printed."""
        return self._console.lines

    def state(self) -> LinkState:
        """How the link is now."""
        up = self._phase is Phase.UP
        if self._connection is not None:
            self._round_trip_ms = self._connection.round_trip_ms
        return LinkState(
            status="up" if up else "down",
            since=self._since,
            port=self._port_in_use,
            transport=self._transport_name,
            reason=None if up else self._reason,
            detail=None if up else self._detail,
            round_trip_ms=self._round_trip_ms if up else None,
            session=self._connection.session if up and self._connection is not None else None,
            statistics={
                **self.counters,
                **self._hub_errors,
                **({} if self._connection is None else self._connection.waiting),
            },
        )

    @property
    def counters(self) -> Counter[str]:
        """What all connections have counted, so that a link that comes and goes shows its errors, too."""
        return self._counted if self._connection is None else summed(self._counted, self._connection.counters)

    def send(self, name: str, *values: object) -> bool:
        """Queue a message for the hub; False if the link is down or its channel has no room."""
        return self._connection is not None and self._phase is Phase.UP and self._connection.send(name, *values)

    def room(self, channel: int) -> int:
        """How many messages can be queued on ``channel`` now; ``writable`` follows a 0."""
        return self._connection.room(channel) if self._connection is not None and self._phase is Phase.UP else 0

    def grant(self, channel: int, count: int = 1) -> None:
        """Let the hub send ``count`` more on a held channel; without effect when the link is down."""
        if self._connection is not None and self._phase is Phase.UP:
            self._connection.grant(channel, count)

    def peer_clock_ms(self) -> int | None:
        """The hub's clock now; None while it is unknown."""
        return self._connection.peer_clock_ms() if self._connection is not None and self._phase is Phase.UP else None

    # -- what the connection calls -------------------------------------------------------------------------------------

    def opened(self) -> None:
        self._transport_name = self._transport_found
        self._advance(Step.OPENED)

    def diagnosed(self, code: str, detail: str) -> None:
        if len(self._round) == 0:  # of several candidates the round's end tells
            self._fail_quietly(CloseReason(code, detail))

    def judge(self, hello: dict[str, Any]) -> CloseReason | None:
        assert self._port_in_use is not None
        self._let_go()  # what it held by an earlier judgement: standing by in between has made another one due
        if self._standby:
            if self._among == 1 or self._choice.knows(hello["hub_id"].hex()):
                return None
            return CloseReason("other_hub", f"another hub greets on {self._port_in_use}")
        refused = self._choice.judge(self._port_in_use, hello, among=self._among)
        if refused is None:
            self._held_id = hello["hub_id"].hex()
        return refused

    def heard(self, hello: dict[str, Any]) -> None:
        self._good_port = self._port_in_use
        self._failures = 0
        self._told = None
        self._set_down(STANDBY, "the hub answers on this path", None)
        if self._on_heard is not None:
            self._on_heard(hello)

    def link_up(self, hello: dict[str, Any]) -> None:
        before = self._hello
        resumed = before is not None and _same_life(before, hello)
        self._hello = hello
        if not resumed:
            self._hub_errors = {}
        self._choice.link_up(hello["hub_id"].hex())
        self._good_port = self._port_in_use
        self._round.clear()
        self._tried.clear()
        self._unheard = self._waits = 0
        self._up_at = asyncio.get_running_loop().time()
        self._advance(Step.HELLO)
        self._since = self._stamp()
        self._reason = self._detail = self._remedy = self._told = None
        restarted = " (restarted)" if before is not None and not resumed else ""
        log.info("link up: hub %s on %s%s", hello.get("name") or "?", self._port_in_use, restarted)
        self._tell()
        self._each(lambda listener: listener.link_up(hello, resumed))

    def link_down(self, reason: str) -> None:
        held_ms = (asyncio.get_running_loop().time() - self._up_at) * 1000
        if held_ms >= self._options.stable_ms:
            self._failures = 0
        self._advance(Step.FAILED if reason != STOPPED else Step.STOP)
        self._since = self._stamp()
        self._reason = reason
        self._tell()
        self._each(lambda listener: listener.link_down(reason))

    def message(self, name: str, values: tuple[Any, ...]) -> None:
        if name == "errors":
            self._hub_errors = {f"hub_error_{kind}": count for kind, count in zip(ERRORS, values, strict=True) if count}
            return
        self._each(lambda listener: listener.message(name, values))

    def writable(self, channel: int) -> None:
        self._each(lambda listener: listener.writable(channel))

    def link_trace(self, reason: str, frames: list[TraceFrame]) -> None:
        if self._keep_trace is not None and not self._ended_by_change(reason):
            self._keep_trace(reason, frames)

    # -- the loop of attempts ------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._watcher.mark()
            try:
                end = await self._attempt()
            except Exception as error:  # a mistake in here must cost one attempt, not the link
                log.exception("the attempt to reach the hub failed")
                end = self._failed(CloseReason("io_error", f"{type(error).__name__}: {error}"))
            if end.code == STOPPED:
                return
            if self._phase is Phase.UP:
                self.link_down(end.code)
            if self._phase is not Phase.BACKING_OFF:  # a link that was up has moved on already
                self._advance(Step.FAILED)
            await self._recover(end)
            await self._back_off(end)
            self._advance(Step.RETRY)

    async def _attempt(self) -> CloseReason:
        """Try the next candidate for as long as it holds; return why it ended, of a whole round the most telling."""
        try:
            candidates = await in_thread(self._candidates, SEARCH_DEADLINE_MS, "find ports", "")
        except TimeoutError:
            return self._failed(CloseReason("open_timeout", f"listing the ports took over {SEARCH_DEADLINE_MS} ms"))
        except (OSError, ValueError) as error:
            return self._failed(CloseReason("io_error", f"can't list the ports: {error}"))
        found, candidates = candidates, self._choice.sort(candidates)
        if not candidates:
            if self._waits < CLAIMED_WAITS and self._choice.wait_for_others(found):
                self._waits += 1
                await asyncio.sleep(CLAIMED_WAIT_MS / 1000)
                return CloseReason("next_candidate", "other hubs of this bridge try all ports")
            return self._failed(self._choice.missing(found, self._port))
        self._port_in_use, self._transport_found = next(
            (each for each in candidates if each[0] not in self._tried), candidates[0]
        )
        self._advance(Step.FOUND)
        self._among = len(found)
        self._patient = self._among == 1
        end = await self._connect()
        if end.code == STOPPED:
            return end
        if end.was_up:
            self._round.clear()
            self._fail_quietly(end)
            return end
        self._tried.add(self._port_in_use)
        self._round.append(end)
        if self._tried.issuperset(port for port, _ in candidates):
            end = self._choice.round_over() or min(self._round, key=_telling)
            if end.code != "next_candidate":
                return self._failed(end)
            self._round.clear()
            self._tried.clear()
            return end
        return CloseReason("next_candidate", end.detail)

    async def _connect(self) -> CloseReason:
        port, name = self._port_in_use, self._transport_found
        assert port is not None and name is not None
        if not self._choice.claims.take_port(port, self._choice.owner):
            return CloseReason("port_busy", f"{port} was just taken by another hub of this bridge")
        unit_bytes = self._options.unit_bytes
        if unit_bytes is None:
            unit_bytes = STDIN_UNIT_BYTES if name == "USB CDC" else 1
        self._connection = HubConnection(
            self._new_transport(port),
            self._new_link(name, self._rng.randrange(1, 1 << 16)),
            self,
            console=self._console,
            limits=ConnectionLimits(silent_ms=self._options.silent_ms, unit_bytes=unit_bytes),
            patience_ms=self._options.silent_ms + (self._delay_ms() if self._patient else 0),
            pulse=self._pulse(),
            standby=self._standby,
        )
        try:
            return await self._connection.run()
        finally:
            self._counted = self.counters
            self._connection = None
            self._choice.claims.drop_port(port, self._choice.owner)
            self._let_go()

    def _let_go(self) -> None:
        if self._held_id is not None:
            self._choice.let_go(self._held_id)
            self._held_id = None

    def _pulse(self) -> tuple[LineStep, ...] | None:
        """What to do to DTR and RTS at this attempt. Nothing on standby: the hub may be at work on the other path."""
        recovery = self._options.recovery
        due = recovery.pulse_at is not None and self._unheard + 1 == recovery.pulse_at
        return recovery.pulse if due and not self._standby and may_pulse(self._host) else None

    def _candidates(self) -> list[tuple[str, str]]:
        """In a worker thread: (port, transport name) of what to try, the port that was good last first."""
        found = ports.resolve(self._port, self._comports)
        if self._good_port in found:
            found.remove(self._good_port)
            found.insert(0, self._good_port)
        self._manners = {port: manners_of(port, self._comports) for port in found}
        return [(port, ports.transport_name(port, self._comports)) for port in found]

    def _failed(self, end: CloseReason) -> CloseReason:
        self._round.clear()
        self._tried.clear()
        self._fail_quietly(end)
        return end

    def _fail_quietly(self, end: CloseReason) -> None:
        """Show why the link is down; warn of it once, and note the same again only for debugging."""
        # a port that vanished is missing at the next try: that is no news
        same = self._told == end.code or (self._told, end.code) == ("port_vanished", "port_missing")
        level = logging.DEBUG if same or self._ended_by_change(end.code) else logging.WARNING
        what = "the path on standby is no good" if self._standby else "no link to the hub"
        log.log(level, what + ": %s (%s)%s", end.code, end.detail, f" {end.remedy}" if end.remedy else "")
        self._told = end.code
        self._set_down(end.code, end.detail, end.remedy)

    def _ended_by_change(self, reason: str) -> bool:
        """The hub ended it in order, for the other path's sake."""
        return self._standby and reason in HUB_REASONS

    def _set_down(self, reason: str, detail: str, remedy: str | None) -> None:
        # A prompt is printed once: a port that showed one stays "repl" until it vanishes or a frame comes.
        if reason == "silent" and self._reason == "repl":
            return
        changed = reason != self._reason
        self._reason, self._detail, self._remedy = reason, detail, remedy
        if changed:
            self._tell()

    async def _recover(self, end: CloseReason) -> None:
        """Count the attempts on a port without a voice; at the configured one pull the reset line."""
        if end.code not in UNHEARD_REASONS or end.was_up or self._standby:
            return
        self._unheard += 1
        recovery = self._options.recovery
        due = self._unheard == recovery.reset_at
        if self._unheard >= max(recovery.pulse_at or 0, recovery.reset_at or 0):
            self._unheard = 0
        if not due or self._reset_hub is None:
            return
        try:
            async with asyncio.timeout(RESET_DEADLINE_MS / 1000):
                await self._reset_hub()
        except ResetLineError as error:
            log.error("the reset line could not be pulled: %s", error)
        except Exception:  # whatever drives the pin, the link goes on without it
            log.exception("the reset line could not be pulled")

    async def _back_off(self, end: CloseReason) -> None:
        """Wait as the end demands, but no longer than until the port appears."""
        delay_ms = self._delay_ms()
        if end.code in ("next_candidate", STANDBY) or (end.code in HUB_REASONS and self._failures == 0):
            delay_ms = 0
        elif self._patient and end.code in UNHEARD_REASONS and not end.was_up:
            delay_ms = 0  # it was spent on listening
        if end.code not in ("next_candidate", STANDBY):
            self._failures += 1
        if delay_ms <= 0:
            return
        try:
            async with asyncio.timeout(delay_ms / 1000):
                await self._watcher.changed()
        except TimeoutError:
            return
        self._failures = 0

    def _delay_ms(self) -> int:
        exponent = min(self._failures, 16)
        base = min(self._options.back_off_first_ms * 2**exponent, self._options.back_off_max_ms)
        return int(base * (1 + BACK_OFF_JITTER * (2 * self._rng.random() - 1)))

    # -- small parts ---------------------------------------------------------------------------------------------------

    def _advance(self, step: Step) -> None:
        following = TRANSITIONS.get((self._phase, step))
        if following is None:
            raise RuntimeError(f"the link to {self._port} can't {step} while {self._phase}")
        self._phase = following

    def _tell(self) -> None:
        if self._publish is not None:
            self._publish(LinkEvent(link=self.state()))

    def _each(self, call: Callable[[LinkListener], None]) -> None:
        for listener in tuple(self._listeners):
            try:
                call(listener)
            except Exception:  # one listener's mistake must not take the link from the others
                log.exception("a listener of the hub link failed")

    def _stamp(self) -> str:
        return self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _serial_transport(self, port: str) -> Transport:
        options = self._options
        kind = transport_class(port)
        lines = Lines() if self._host is None else Lines(dtr=self._host.dtr, rts=self._host.rts)
        return kind(port, baud=options.baud, lines=lines, limits=options.transport_limits)

    @property
    def _host(self) -> Host | None:
        """What its board wants of the port in use."""
        return self._options.host or self._manners.get(self._port_in_use or "")

    def _real_link(self, transport_name: str, session: int) -> SessionLink:
        held = self._options.held_channels
        named = self._options.profile
        profile = profile_for(transport_name) if named is None else PROFILES[named]
        new: Any = Link  # no annotations there: it also runs on MicroPython
        link: SessionLink = new(BRIDGE, profile, session=session, held=held)
        return link


def summed(*counts: Mapping[str, int]) -> Counter[str]:
    """Of each name the sum, also where that is 0."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _same_life(before: dict[str, Any], now: dict[str, Any]) -> bool:
    return all(before.get(key) == now.get(key) for key in ("hub_id", "boot_id"))


def _telling(end: CloseReason) -> int:
    return _TELLING.index(end.code) if end.code in _TELLING else len(_TELLING)
