"""The bridge: the hubs that it serves and the HTTP port before them, run until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from host_bridge import log as bridge_log
from host_bridge.arenas import give_back, share_arena
from host_bridge.config import Config
from host_bridge.hub.choice import Claims
from host_bridge.hub.plugged import plugged_ports
from host_bridge.interfaces.http.server import HttpInterface
from host_bridge.served_hub import ServedHub, ServiceDied

__all__ = ["Addresses", "Bridge", "ServiceDied", "serve"]

log = logging.getLogger(__name__)

STOP_DEADLINE_S = 10.0
STARTS_AT_ONCE = 4  # each reads its journal through: all at once would need the memory for all at once


class Addresses(msgspec.Struct, frozen=True):
    """Where the bridge is to be found."""

    dashboard: str
    raw: str | None  # of the only hub
    hubs: dict[str, str | None] = {}  # of several: each one's name, and where tills print raw


class Bridge:
    """Holds the served hubs by name.

    The only hub is the bridge's purpose: what it can't do without ends the process. Of several hubs each one's trouble
    is its own: it is told as a fault of that hub, which is tried again while the others go on.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._claims = claims = Claims()
        self.hubs = {place.name: ServedHub(place, config, claims) for place in config.places()}
        self._keepers: list[asyncio.Task[None]] = []
        # What is started is stopped in the opposite order, in which no promise breaks: tills first, then the hubs.
        self._stops = AsyncExitStack()

    async def start(self) -> Addresses:
        """Start the hubs, then let tills in.

        Raises OSError (address), and if no hub at all can be served JournalError or VirtualHubError; nothing is left
        running then.
        """
        try:
            self._stops.push_async_callback(self._stop_hubs)
            if self._config.several:
                places = asyncio.Semaphore(STARTS_AT_ONCE)
                errors = await asyncio.gather(*(_in_turn(hub, places) for hub in self.hubs.values()))
                if all(errors) and errors[0] is not None:
                    raise errors[0]
            else:
                await self._only.start()
            http = await self._start_http()
        except BaseException:
            await self.stop()
            raise
        if not self._config.several:
            return Addresses(http.url, self._only.raw_address)
        self._keepers = [asyncio.create_task(hub.keep(), name=f"hub {name}") for name, hub in self.hubs.items()]
        return Addresses(http.url, None, {name: hub.raw_address for name, hub in self.hubs.items()})

    async def run(self) -> None:
        """Wait for ever; raises ServiceDied if a part of the bridge ends."""
        if not self._config.several:
            await self._only.run()
        done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        raise ServiceDied(f"{task.get_name()} ended") from (None if task.cancelled() else task.exception())

    async def stop(self) -> None:
        """Stop what runs; jobs and scans that are not settled stay in the journals for the next start."""
        await self._stops.aclose()

    @property
    def _only(self) -> ServedHub:
        (hub,) = self.hubs.values()
        return hub

    async def _stop_hubs(self) -> None:
        """All of them, whatever one of them meets."""
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        results = await asyncio.gather(*(hub.stop() for hub in self.hubs.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _start_http(self) -> HttpInterface:
        config = self._config
        http = HttpInterface(
            self.hubs,
            config.http.address,
            ports=lambda: plugged_ports(self._claims),
            allowed_hosts=config.http.allowed_hosts,
            allowed_origins=config.http.allowed_origins,
        )
        await http.start()
        self._stops.push_async_callback(http.stop)
        return http


async def _in_turn(hub: ServedHub, places: asyncio.Semaphore) -> Exception | None:
    async with places:
        return await hub.try_start()


async def serve(config: Config, *, on_ready: Callable[[Addresses], None] | None = None) -> None:
    """Run the bridge until SIGTERM, SIGINT, or the end of a part of it (ServiceDied)."""
    share_arena()
    file = None
    if config.log.file:
        file = bridge_log.LogFile(
            path=Path(config.log.file), max_bytes=config.log.max_file_bytes, kept_files=config.log.kept_files
        )
    logging_running = bridge_log.start(form=config.log.format, level=config.log.level, file=file)
    bridge = Bridge(config)
    try:
        stopping = _stop_event()
        addresses = await bridge.start()
        _spare_collector()
        give_back()
        if on_ready:
            on_ready(addresses)
        try:
            await _first_of(bridge.run(), stopping.wait())
        finally:
            log.info("stopping")
            async with asyncio.timeout(STOP_DEADLINE_S):
                await bridge.stop()
    finally:
        logging_running.stop()


def _spare_collector() -> None:
    """Have the garbage collector pass over what stays for good.

    The modules alone are 60,000 objects: to look through them all held a scan up for 16 to 25 ms each time.
    """
    gc.collect()
    gc.freeze()


async def _first_of(*coroutines: Any) -> None:
    """Wait for the first of several to end, and raise what it raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


def _stop_event() -> asyncio.Event:
    """Set by SIGTERM or Ctrl-C."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, event.set)
        except NotImplementedError:  # Windows: the loop has no signal handlers
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(event.set))
    return event
