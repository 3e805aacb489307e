"""Two paths to one hub: the backup takes over when the primary goes, and hands back when the primary is good again.

Each path has a HubLink of its own, and of the two one is *wanted*: it alone asks the hub for a session. The other
stands by: it has its port open, hears the hub's HELLO and asks for an answer to it, so that both its directions are
known to work before the day they are needed.

    in use            what happens                                           then wanted
    the primary       it goes down, and the backup is alive                  the backup, at once
    the backup        it goes down, and the primary is alive                 the primary, at once
    the backup        the primary has been alive for long enough, and        the primary; the backup stays in use
                      nothing is being said, or that was waited for too long until the primary has its own
    none              the wanted path has had its time, the other is alive   the other

The hub ends one path's session when the bridge opens one on the other, so the devices see downs and ups in turn, as
with one path, and settle what was under way as after every loss of the link. See docs/decisions/0020.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from host_bridge.events import LinkEvent
from host_bridge.hub import ports
from host_bridge.hub.choice import HubChoice
from host_bridge.hub.connection import HUB_REASONS, STANDBY, STOPPED, VERSION_REASONS
from host_bridge.hub.reconnect import HubLink, HubLinkOptions, LinkListener, summed
from host_bridge.state import LinkState, PathState

log = logging.getLogger(__name__)

PRIMARY: Final = "primary"
BACKUP: Final = "backup"
CHANGING: Final = "changing_path"  # why the link is down while the other path is being opened: no fault yet
ENDED_BY_CHANGE: Final = "path_changed"  # why a session ended that the other path has taken over
# Ends after which the same path is the likeliest to be back first: the hub lives, or nobody has looked yet.
_OF_THE_HUB: Final = HUB_REASONS | VERSION_REASONS | {"starting", STANDBY, STOPPED}


class PathLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a path counts as what; all in milliseconds."""

    alive_ms: int = 1500  # since the hub's last answer on standby, asked for each 500 ms: two may be lost
    return_ms: int = 1000  # for a path whose session the hub has ended: it says HELLO again within 100 ms
    open_ms: int = 1500  # for a path that was alive a moment ago to give a session; then the other is tried
    steady_ms: int = 5000  # so long the primary is heard without a gap before it is handed back to
    steady_max_ms: int = 300_000  # a primary that fails again soon is trusted half as quickly each time, down to this
    held_ms: int = 60_000  # a primary that was in use so long is trusted as at first
    quiet_ms: int = 1000  # nothing said on any channel for so long: a good moment; a kick is done by then
    patience_ms: int = 15_000  # a hand back that finds no good moment by then does without
    change_ms: int = 1000  # a link that is down no longer than this while the path changes is no fault yet
    look_ms: int = 100  # between two looks while something is to be decided
    calm_look_ms: int = 500  # and while the primary is in use


class BackedUpLink:
    """To its owner one link to one hub, as HubLink is."""

    def __init__(
        self,
        port: str,
        backup_port: str,
        *,
        options: HubLinkOptions | None = None,
        backup_options: HubLinkOptions | None = None,
        limits: PathLimits | None = None,
        publish: Callable[[LinkEvent], None] | None = None,
        choice: HubChoice | None = None,
        comports: ports.ComPorts = ports.system_comports,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        **arguments: Any,
    ) -> None:
        """``arguments``: what else HubLink takes, for both paths."""

        def others() -> list[ports.ComPort]:
            """What "auto" may look at: the backup's port is no candidate for the primary."""
            return [each for each in comports() if os.path.realpath(each.device) != os.path.realpath(backup_port)]

        self._reset_hub: Callable[[], Awaitable[object]] | None = arguments.pop("reset_hub", None)
        if self._reset_hub is not None:
            arguments["reset_hub"] = self._reset_if_alone
        self._choice = arguments["choice"] = choice or HubChoice(port)
        self.limits = limits or PathLimits()
        self._publish = publish
        self._clock = clock
        self._listeners: list[LinkListener] = []
        self._primary = _Path(self, PRIMARY, port, options, comports=others, clock=clock, **arguments)
        self._backup = _Path(self, BACKUP, backup_port, backup_options, comports=comports, clock=clock, **arguments)
        self._wanted = self._primary
        self._in_use: _Path | None = None
        self._hello: dict[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        self._since = self._stamp()
        self._up_at = 0.0  # when the session in use began
        self._wait_until = 0.0  # the wanted path has the time until then to give a session
        self._asked_at: float | None = None  # a hand back is under way since then
        self._down_at = 0.0
        self._held_ms = float("inf")  # how long the primary was in use when it was last
        self._said_at = 0.0  # when the last message went either way
        self._steady_ms = 0  # how long the primary must be heard before it is handed back to
        self._failures = 0  # of the primary, each soon after the one before
        self._told: LinkState | None = None

    # -- what the owner calls --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look for the hub on both paths."""
        self._running = True
        self._wait_until = self._now() + self.limits.open_ms / 1000
        self._backup.link.stand_by(True)
        self._primary.link.start()
        self._backup.link.start()
        self._look()

    async def stop(self) -> None:
        """Say goodbye to the hub, close both ports and return, within a bound."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(self._primary.link.stop(), self._backup.link.stop())
        self._tell()

    def add_listener(self, listener: LinkListener) -> None:
        """Let ``listener`` hear of the hub; in the order of adding."""
        self._listeners.append(listener)

    @property
    def is_up(self) -> bool:
        return self._in_use is not None

    @property
    def hello(self) -> dict[str, Any] | None:
        """The last session's HELLO, also while the link is down."""
        return self._hello

    @property
    def detail(self) -> str | None:
        """While down: what exactly was seen on the wanted path."""
        return self._wanted.link.detail

    @property
    def remedy(self) -> str | None:
        return self._wanted.link.remedy

    @property
    def console_lines(self) -> list[str]:
        """The last lines of text that the hub printed."""
        return [*self._primary.link.console_lines, *self._backup.link.console_lines]

    def state(self) -> LinkState:
        """How the link is now, and how each path fares. Down, it speaks of the primary, which people know best.

        What is counted is counted on both paths together.
        """
        shown = (self._in_use or self._primary).link.state()
        up = self._in_use is not None
        reason = None if up else CHANGING if self._changing() else shown.reason
        return msgspec.structs.replace(
            shown,
            status="up" if up else "down",
            since=self._since,
            reason=reason,
            statistics={**shown.statistics, **summed(self._primary.link.counters, self._backup.link.counters)},
            paths=[self._path_state(path) for path in (self._primary, self._backup)],
        )

    def send(self, name: str, *values: object) -> bool:
        """Queue a message for the hub; False if the link is down or its channel has no room."""
        self._said_at = self._now()
        return self._in_use is not None and self._in_use.link.send(name, *values)

    def room(self, channel: int) -> int:
        return self._in_use.link.room(channel) if self._in_use is not None else 0

    def grant(self, channel: int, count: int = 1) -> None:
        if self._in_use is not None:
            self._in_use.link.grant(channel, count)

    def peer_clock_ms(self) -> int | None:
        return self._in_use.link.peer_clock_ms() if self._in_use is not None else None

    async def _reset_if_alone(self) -> None:
        """A hub that answers on one of its paths is not reset for the other."""
        assert self._reset_hub is not None
        if self._in_use is None and not (self._primary.is_alive or self._backup.is_alive):
            await self._reset_hub()

    # -- what a path calls -----------------------------------------------------------------------------------------

    def path_up(self, path: _Path, hello: dict[str, Any]) -> None:
        if path is not self._wanted:  # it was asked to stand by in the very moment
            path.link.stand_by(True)
            return
        left = self._leave()
        if left is not None:
            self._tell_down(ENDED_BY_CHANGE)
            left.link.stand_by(True)
        before, self._hello = self._hello, hello
        resumed = before is not None and all(before[key] == hello[key] for key in ("hub_id", "boot_id"))
        self._in_use = path
        self._asked_at = None
        self._up_at = self._said_at = self._now()
        self._since = self._stamp()
        self._look()
        self._each(lambda listener: listener.link_up(hello, resumed))

    def path_down(self, path: _Path, reason: str) -> None:
        """Its session is over; its HubLink goes on by itself."""
        if path is not self._wanted:
            path.link.stand_by(True)
            reason = ENDED_BY_CHANGE
        else:
            self._wait_until = self._now() + (self.limits.return_ms / 1000 if reason in _OF_THE_HUB else 0)
        if path is self._in_use:
            self._leave()
            self._decide()  # first: what people are told of this depends on it
            self._tell_down(reason)
            self._look()

    def path_heard(self, path: _Path) -> None:
        self._look()

    def path_told(self, path: _Path, state: LinkState) -> None:
        """Its state has changed."""
        if path is self._in_use or state.status == "up":
            return  # it is about to say so itself
        if path is self._wanted and self._in_use is None and state.reason not in (None, *_OF_THE_HUB):
            self._wait_until = self._now()
        self._look()

    def message(self, path: _Path, name: str, values: tuple[Any, ...]) -> None:
        if path is self._in_use:
            self._said_at = self._now()
            self._each(lambda listener: listener.message(name, values))

    def writable(self, path: _Path, channel: int) -> None:
        if path is self._in_use:
            self._each(lambda listener: listener.writable(channel))

    # -- which path ------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Decide what is due, say what is new, and come back when something may be due."""
        if self._running:
            self._decide()
            self._tell()
            self._come_back()

    def _decide(self) -> None:
        now, other = self._now(), self._backup if self._wanted is self._primary else self._primary
        if self._in_use is None:
            if now >= self._wait_until and self._may_use(other):
                self._want(other)
        elif self._in_use is not self._wanted:
            if now >= self._wait_until:
                self._want(other)
        elif self._wanted is self._backup and self._may_hand_back(now):
            self._want(self._primary)
            self._asked_at = now

    def _come_back(self) -> None:
        """No later than when a path that is not heard is called dead."""
        if self._timer is not None:
            self._timer.cancel()
        calm = self._in_use is self._primary
        delay_ms: float = self.limits.calm_look_ms if calm else self.limits.look_ms
        delays_ms = [delay_ms, *(self._doubt_ms(path) + 1 for path in (self._primary, self._backup))]
        delay_ms = min(delay_ms for delay_ms in delays_ms if delay_ms > 0)
        self._timer = asyncio.get_running_loop().call_later(delay_ms / 1000, self._look)

    def _may_use(self, path: _Path) -> bool:
        """It answers, and it is the hub that the bridge has known so far."""
        return path.is_alive and not (path is self._backup and self._is_other_hub(path))

    def _may_hand_back(self, now: float) -> bool:
        primary, limits = self._primary, self.limits
        if not primary.is_alive:
            return False
        waited_ms = (now - max(primary.alive_since, self._up_at)) * 1000 - self._steady_ms
        quiet = (now - self._said_at) * 1000 >= limits.quiet_ms
        return waited_ms >= 0 and (quiet or waited_ms >= limits.patience_ms)

    def _want(self, path: _Path) -> None:
        """Ask that path for a session from now on. One that the other has goes on until this one has its own."""
        log.info("asking the %s path for a session", path.name)
        left, self._wanted = self._wanted, path
        if left is self._primary:
            self._distrust_primary()
        self._asked_at = None
        self._wait_until = self._now() + self.limits.open_ms / 1000
        if left is not self._in_use:
            left.link.stand_by(True)
        path.link.stand_by(False)

    def _distrust_primary(self) -> None:
        """It is left: the sooner it failed again, the longer it must be heard before the next hand back."""
        if self._asked_at is None and self._held_ms >= self.limits.held_ms:
            self._failures = 0
        self._steady_ms = min(self.limits.steady_ms * 2 ** min(self._failures, 16), self.limits.steady_max_ms)
        self._failures += 1
        log.warning("the primary path failed; it is used again once it was heard for %.0f s", self._steady_ms / 1000)

    def _leave(self) -> _Path | None:
        """The session in use is over."""
        left, self._in_use = self._in_use, None
        self._down_at = self._now()
        self._since = self._stamp()
        if left is self._primary:
            self._held_ms = (self._now() - self._up_at) * 1000
        return left

    def _tell_down(self, reason: str) -> None:
        self._tell()
        self._each(lambda listener: listener.link_down(reason))

    def _is_other_hub(self, path: _Path) -> bool:
        return path.hello is not None and not self._choice.knows(path.hello["hub_id"].hex())

    def _changing(self) -> bool:
        """The link is down for the moment that a change of path takes."""
        down_ms = (self._now() - self._down_at) * 1000
        waits = self._running and self._now() < self._wait_until
        return waits and self._hello is not None and down_ms < self.limits.change_ms

    # -- what people see -------------------------------------------------------------------------------------------

    def _path_state(self, path: _Path) -> PathState:
        link = path.link.state()
        status: Literal["in_use", "standby", "down", "other_hub"] = "down"
        if path is self._in_use:
            status = "in_use"
        elif path.is_alive or self._just_left(path):
            status = "other_hub" if self._is_other_hub(path) else "standby"
        # How its last session ended says nothing of a path that has not been heard since.
        unheard = link.reason == STANDBY or (self._in_use is not None and link.reason in HUB_REASONS)
        reason = None if status in ("in_use", "standby") else "silent" if unheard else link.reason
        return PathState(name=path.name, status=status, port=link.port, transport=link.transport, reason=reason)

    def _just_left(self, path: _Path) -> bool:
        """A path that has had no time to be heard on standby is not called dead for that."""
        blameless = path.link.state().reason in (None, *_OF_THE_HUB)  # None: its session is about to end
        return self._in_use is not None and blameless and self._doubt_ms(path) > 0

    def _doubt_ms(self, path: _Path) -> float:
        """How much longer that path may be unheard before it is called dead; below 0: no longer."""
        return (max(self._up_at, path.left_at, path.heard_at) - self._now()) * 1000 + self.limits.alive_ms

    def _tell(self) -> None:
        state = self.state()
        before, self._told = self._told, state
        if self._publish is not None and (before is None or _shape(before) != _shape(state)):
            self._publish(LinkEvent(link=state))

    def _each(self, call: Callable[[LinkListener], None]) -> None:
        for listener in tuple(self._listeners):
            try:
                call(listener)
            except Exception:  # one listener's mistake must not take the link from the others
                log.exception("a listener of the hub link failed")

    def _stamp(self) -> str:
        return self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class _Path:
    """One path: its HubLink, and what is known of it on standby. Listens to the HubLink for its owner."""

    def __init__(
        self,
        owner: BackedUpLink,
        name: Literal["primary", "backup"],
        port: str,
        options: HubLinkOptions | None,
        **arguments: Any,
    ) -> None:
        self.name = name
        self.hello: dict[str, Any] | None = None  # the last heard on standby
        self.alive_since = 0.0  # heard without a gap since then
        self.left_at = 0.0  # when its last session ended
        self.heard_at = 0.0  # on standby; 0 where that says nothing any more
        self._alive_ms = owner.limits.alive_ms
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.link = HubLink(port, options=options, publish=self._on_event, on_heard=self._on_heard, **arguments)
        self.link.add_listener(self)

    @property
    def is_alive(self) -> bool:
        """On standby, and the hub has answered a moment ago."""
        return bool(self.heard_at) and (self._loop.time() - self.heard_at) * 1000 < self._alive_ms

    def _on_heard(self, hello: dict[str, Any]) -> None:
        if not self.is_alive:
            self.alive_since = self._loop.time()
        self.heard_at = self._loop.time()
        self.hello = hello
        self._owner.path_heard(self)

    def _on_event(self, event: LinkEvent) -> None:
        if event.link.status == "down" and event.link.reason != STANDBY:
            self.heard_at = 0.0
        self._owner.path_told(self, event.link)

    def link_up(self, hello: dict[str, Any], resumed: bool) -> None:
        self._owner.path_up(self, hello)

    def link_down(self, reason: str) -> None:
        self.left_at = self._loop.time()
        self.heard_at = 0.0
        self._owner.path_down(self, reason)

    def message(self, name: str, values: tuple[Any, ...]) -> None:
        self._owner.message(self, name, values)

    def writable(self, channel: int) -> None:
        self._owner.writable(self, channel)


def _shape(state: LinkState) -> LinkState:
    """The state without what changes by the frame."""
    return msgspec.structs.replace(state, round_trip_ms=None, statistics={})
