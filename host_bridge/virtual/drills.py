"""Drills: faults injected on purpose. One that shows only in use is put to use, so that people see it at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from host_bridge.interfaces.services import Refused
from host_bridge.journal import JournalError
from host_bridge.virtual.control import VirtualHub

log = logging.getLogger(__name__)


class DrillHub(VirtualHub):
    """A virtual hub whose drawer is tried when it is jammed, and again when it is freed."""

    kick: Callable[[], Awaitable[object]] | None = None  # opens the drawer, as a till would
    _trial: asyncio.Task[None] | None = None

    async def set_fault(self, fault: str, active: bool) -> None:
        if fault == "drawer_stuck" and active:
            await self.close_drawer()
        await super().set_fault(fault, active)
        if fault == "drawer_stuck" and self.kick is not None:
            self._trial = asyncio.create_task(self._try_drawer())

    async def _try_drawer(self) -> None:
        assert self.kick is not None
        try:
            await self.kick()
        except (Refused, JournalError) as error:
            log.warning("the drawer could not be tried: %s", error)
