"""The cash drawer as tills see it (UnifiedPOS CashDrawer): a kick within its time to live, or never."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from host_bridge.devices.link import DeviceLink
from host_bridge.events import DrawerEvent, EventBus
from host_bridge.interfaces.services import KICK_TIME_TO_LIVE_MS, Refused
from host_bridge.journal import IdempotencyMismatch, Journal, JournalError, JournalFull
from host_bridge.journal.records import Kick, KickState
from host_bridge.state import DrawerState
from hublink.link import TICKS_MASK
from hublink.words import DRAWER_STATES, KICK_OUTCOMES

log = logging.getLogger(__name__)

ON_MS_MIN, ON_MS_MAX = 10, 510  # manufacturers' limit for the kick port
ON_MS = 100
TIME_TO_LIVE_MS_MIN, TIME_TO_LIVE_MS_MAX = 100, 30_000
VERIFY_MS = 1500  # beyond the deadline: the hub watches the switch, and tells
OPEN_KICKS_MAX = 32


class DrawerService:
    """Implements `services.Drawers`."""

    def __init__(
        self,
        link: DeviceLink,
        journal: Journal,
        events: EventBus,
        *,
        on_ms: int = ON_MS,
        time_to_live_ms: int = KICK_TIME_TO_LIVE_MS,
    ) -> None:
        """`on_ms`, `time_to_live_ms`: for kicks that don't say."""
        self._on_ms = on_ms
        self._time_to_live_ms = time_to_live_ms
        self._link = link
        self._journal = journal
        self._events = events
        self._outcomes: dict[int, asyncio.Future[str]] = {}  # by the number on the link
        self._acting: dict[int, asyncio.Task[Kick]] = {}  # by kick id: who repeats a request waits for the first
        self._arriving = 0  # requests on their way into the journal
        self._link_changed = asyncio.Event()
        self._state = "unknown"
        self._stuck = False

    async def start(self) -> None:
        abandoned = await self._journal.abandon_open_kicks("bridge_restarted")
        if abandoned:
            log.warning("%d kicks of the last life count as failed; none is repeated", abandoned)

    # -- what till interfaces call -------------------------------------------------------------------------------

    async def kick(
        self,
        *,
        source: str,
        drawer: int = 1,
        on_ms: int | None = None,
        time_to_live_ms: int | None = None,
        idempotency_key: str | None = None,
    ) -> Kick:
        on_ms = self._on_ms if on_ms is None else on_ms
        time_to_live_ms = self._time_to_live_ms if time_to_live_ms is None else time_to_live_ms
        loop = asyncio.get_running_loop()
        deadline = loop.time() + time_to_live_ms / 1000
        self._check(drawer, on_ms, time_to_live_ms)
        kick, replayed = await self._journaled(source, drawer, idempotency_key)
        acting = self._acting.get(kick.kick_id)
        if acting is None and replayed:
            if kick.state is not KickState.REQUESTED:
                return kick
            return await self._settle(kick.kick_id, KickState.FAILED, "expired")  # its caller left before it was sent
        if acting is None:
            acting = asyncio.create_task(self._carry_out(kick.kick_id, drawer, on_ms, deadline), name="kick")
            self._acting[kick.kick_id] = acting
            acting.add_done_callback(lambda task: self._carried_out(kick.kick_id, task))
        return await asyncio.shield(acting)  # a caller that goes away leaves no kick without an end

    def state(self) -> DrawerState:
        if not self._link.is_up:
            return DrawerState(status="unknown")
        return DrawerState(status="fault" if self._stuck else self._state)  # type: ignore[arg-type]

    # -- what the hub says ---------------------------------------------------------------------------------------

    def link_up(self) -> None:
        self._link_changed.set()

    def link_down(self) -> None:
        self._state = "unknown"
        for outcome in self._outcomes.values():
            if not outcome.done():
                outcome.set_result("link_lost")

    def on_faults(self, codes: set[str]) -> None:
        stuck = "drawer_stuck" in codes
        if stuck != self._stuck:
            self._stuck = stuck
            self._events.publish(DrawerEvent(status=self.state().status))

    def on_drawer(self, state: int) -> None:
        self._state = DRAWER_STATES[state] if state < len(DRAWER_STATES) else "unknown"
        self._events.publish(DrawerEvent(status=self.state().status))

    def on_kick_done(self, number: int, outcome: int) -> None:
        waiting = self._outcomes.get(number)
        if waiting and not waiting.done():
            waiting.set_result(KICK_OUTCOMES[outcome] if outcome < len(KICK_OUTCOMES) else "unknown")

    # -- acting --------------------------------------------------------------------------------------------------

    def _check(self, drawer: int, on_ms: int, time_to_live_ms: int) -> None:
        for name, value, low, high in (
            ("drawer", drawer, 1, 2),
            ("on_ms", on_ms, ON_MS_MIN, ON_MS_MAX),
            ("time_to_live_ms", time_to_live_ms, TIME_TO_LIVE_MS_MIN, TIME_TO_LIVE_MS_MAX),
        ):
            if not low <= value <= high:
                raise Refused("kick_invalid", f"{name}: expected {low} to {high}, found {value}")
        if len(self._acting) + self._arriving >= OPEN_KICKS_MAX:
            raise Refused("kick_busy", f"{OPEN_KICKS_MAX} kicks are under way: wait for their answers")

    async def _journaled(self, source: str, drawer: int, idempotency_key: str | None) -> tuple[Kick, bool]:
        self._arriving += 1
        try:
            return await self._journal.add_kick(source, drawer, idempotency_key)
        except IdempotencyMismatch as error:
            raise Refused("idempotency_mismatch", str(error)) from error
        except JournalFull as error:
            raise Refused("journal_full", str(error)) from error
        except JournalError as error:
            raise Refused("journal_failed", str(error)) from error
        finally:
            self._arriving -= 1

    async def _settle(self, kick_id: int, state: KickState, reason: str | None) -> Kick:
        try:
            return await self._journal.settle_kick(kick_id, state, reason)
        except JournalError as error:
            outcome = f"{state}: {reason}" if reason else str(state)
            raise Refused("journal_failed", f"the kick's outcome ({outcome}) could not be kept: {error}") from error

    async def _carry_out(self, kick_id: int, drawer: int, on_ms: int, deadline: float) -> Kick:
        state, reason = await self._act(drawer, on_ms, deadline)
        done = await self._settle(kick_id, state, reason)
        self._events.publish(DrawerEvent(status=self.state().status, kick=done))
        return done

    def _carried_out(self, kick_id: int, task: asyncio.Task[Kick]) -> None:
        del self._acting[kick_id]
        if not task.cancelled() and task.exception():
            log.error("kick %d: %s", kick_id, task.exception())

    async def _act(self, drawer: int, on_ms: int, deadline: float) -> tuple[KickState, str | None]:
        """Get the kick to the hub in time, and its answer back."""
        clock_ms = await self._hub_clock_ms(deadline)
        if clock_ms is None:
            return KickState.FAILED, "link_down"
        loop = asyncio.get_running_loop()
        left_ms = int((deadline - loop.time()) * 1000)
        if left_ms <= 0:
            return KickState.FAILED, "expired"
        number = secrets.randbits(30)
        outcome = self._outcomes[number] = loop.create_future()
        try:
            # The deadline is told in the hub's own time: however long the bytes lie about, the kick is never late.
            if not self._link.send("kick", number, drawer, on_ms, (clock_ms + left_ms) & TICKS_MASK):
                return KickState.FAILED, "link_busy"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((left_ms + VERIFY_MS) / 1000):
                    return _settled(await outcome)
            return KickState.FAILED, "no_answer"
        finally:
            del self._outcomes[number]

    async def _hub_clock_ms(self, deadline: float) -> int | None:
        """The hub's clock; a link that is down has until the deadline to come up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while True:
                    clock_ms = self._link.hub_clock_ms()
                    if clock_ms is not None:
                        return clock_ms
                    self._link_changed.clear()
                    if self._link.is_up:
                        await asyncio.sleep(0.01)  # the first PONG of a session is under way
                    else:
                        await self._link_changed.wait()
        return None


def _settled(outcome: str) -> tuple[KickState, str | None]:
    if outcome == "opened":
        return KickState.OPENED, None
    if outcome == "unverified":
        return KickState.UNVERIFIED, "no_switch"
    return KickState.FAILED, outcome
