"""The scanner's switch (UnifiedPOS Scanner.DeviceEnabled): a till lets it read, or keeps it from reading for a time.

For a time only: a till that crashes, or a clerk who goes home, must not leave a counter whose scanner is dead for a
reason that nobody remembers. The hub keeps the time, and switches it on too when the link goes down.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from host_bridge.devices.link import DeviceLink
from host_bridge.interfaces.services import Refused
from hublink.words import SCANNER_STATES

OFF_MS: Final = 300_000
OFF_MS_MIN, OFF_MS_MAX = 1_000, 3_600_000  # the hub holds to the same hour
ANSWER_MS: Final = 2_000


class ScannerSwitch:
    """`changed()` is called when the state is another."""

    def __init__(self, link: DeviceLink, changed: Callable[[], None], clock: Callable[[], float] = time.time) -> None:
        self._link = link
        self._changed = changed
        self._clock = clock
        self._heard: set[asyncio.Future[bool]] = set()  # each of a request that waits for the hub; False: link lost
        self._off_until: float | None = None
        self._told: tuple[object, ...] = ()
        self.state = "unknown"  # or one of SCANNER_STATES
        self.can_switch: bool | None = None

    @property
    def off_until(self) -> str | None:
        """RFC 3339, UTC, while it is off."""
        if self.state != "off" or self._off_until is None:
            return None
        return datetime.fromtimestamp(self._off_until, UTC).isoformat(timespec="milliseconds")

    async def turn(self, enabled: bool, for_ms: int | None = None) -> None:
        """Let it read, or not for `for_ms`; returns once the hub has done it.

        Raises Refused: `scanner_switch_invalid`, `scanner_not_switchable`, `link_down`, `link_busy`, `link_lost` or
        `hub_no_answer`.
        """
        for_ms = OFF_MS if for_ms is None else for_ms
        if not OFF_MS_MIN <= for_ms <= OFF_MS_MAX:
            raise Refused("scanner_switch_invalid", f"for_ms: expected {OFF_MS_MIN} to {OFF_MS_MAX}, got {for_ms}")
        if not self._link.is_up:
            raise Refused("link_down", "the hub is not connected; without a bridge the scanner always reads")
        if not self._link.send("scanner_enable", int(enabled), for_ms):
            raise Refused("link_busy", "the link to the hub has no room: try again in a moment")
        self._off_until = None if enabled else self._clock() + for_ms / 1000
        try:
            async with asyncio.timeout(ANSWER_MS / 1000):
                while await self._next_word():
                    if not self.can_switch:
                        raise Refused(
                            "scanner_not_switchable",
                            "this scanner reads when it likes: the hub's board file names no scanner.trigger",
                        )
                    if (self.state == "off") != enabled:
                        return
        except TimeoutError:
            raise Refused(
                "hub_no_answer", f"the hub said nothing within {ANSWER_MS} ms: its firmware may be older than this"
            ) from None
        raise Refused("link_lost", "the link went down before the hub answered; without a bridge the scanner reads")

    def on_scanner(self, state: int, can_switch: int) -> None:
        """The hub says how it is."""
        self.state = SCANNER_STATES[state] if state < len(SCANNER_STATES) else "unknown"
        self.can_switch = bool(can_switch)
        self._wake(up=True)
        now = (self.state, self.can_switch, self.off_until)
        if now != self._told:
            self._told = now
            self._changed()

    def link_down(self) -> None:
        self.state = "unknown"
        self.can_switch = None
        self._told = ()
        self._wake(up=False)

    async def _next_word(self) -> bool:
        """Wait for what the hub says next; False if the link is lost before."""
        heard: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._heard.add(heard)
        try:
            return await heard
        finally:
            self._heard.discard(heard)

    def _wake(self, *, up: bool) -> None:
        for heard in self._heard:
            if not heard.done():
                heard.set_result(up)
