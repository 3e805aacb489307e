"""The bridge: the hubs that it serves and the HTTP port before them, run until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from host_bridge import log as bridge_log
from host_bridge.config import Config
from host_bridge.interfaces.http.server import HttpInterface
from host_bridge.served_hub import ServedHub, ServiceDied

__all__ = ["Addresses", "Bridge", "ServiceDied", "serve"]

log = logging.getLogger(__name__)

STOP_DEADLINE_S = 10.0
ONLY_HUB = "hub"  # the name of the one hub of [hub]


class Addresses(msgspec.Struct, frozen=True):
    """Where the bridge is to be found."""

    dashboard: str
    raw: str | None


class Bridge:
    """Holds the hubs by name."""

    def __init__(self, config: Config) -> None:
        self._config = config
        raw = config.raw.address if config.raw.enabled else None
        self.hubs = {ONLY_HUB: ServedHub(ONLY_HUB, config.hub, config, state_path=config.state_path, raw=raw)}
        # What is started is stopped in the opposite order, in which no promise breaks: tills first, then the hubs.
        self._stops = AsyncExitStack()

    async def start(self) -> Addresses:
        """Start the hubs, then let tills in.

        Raises OSError (address), JournalError or VirtualHubError; nothing is left running then.
        """
        try:
            for hub in self.hubs.values():
                await hub.start()
                self._stops.push_async_callback(hub.stop)
            http = await self._start_http()
        except BaseException:
            await self.stop()
            raise
        return Addresses(http.url, self.hubs[ONLY_HUB].raw_address)

    async def run(self) -> None:
        """Wait for ever; raises ServiceDied if a part of the bridge ends."""
        await self.hubs[ONLY_HUB].run()

    async def stop(self) -> None:
        """Stop what runs; jobs and scans that are not settled stay in the journals for the next start."""
        await self._stops.aclose()

    async def _start_http(self) -> HttpInterface:
        config = self._config
        http = HttpInterface(
            self.hubs,
            config.http.address,
            allowed_hosts=config.http.allowed_hosts,
            allowed_origins=config.http.allowed_origins,
        )
        await http.start()
        self._stops.push_async_callback(http.stop)
        return http


async def serve(config: Config, *, on_ready: Callable[[Addresses], None] | None = None) -> None:
    """Run the bridge until SIGTERM, SIGINT, or the end of a part of it (ServiceDied)."""
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
