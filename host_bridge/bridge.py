"""The bridge: puts journal, hub, devices and till interfaces together, and runs them until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import tomllib
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from host_bridge import __version__
from host_bridge import log as bridge_log
from host_bridge.config import Config
from host_bridge.devices.hub import HubDevices
from host_bridge.devices.printer import PrinterOptions
from host_bridge.events import EventBus, FaultEvent, LinkEvent, Overflow
from host_bridge.hub.reconnect import HubLink, HubLinkOptions, Recovery
from host_bridge.interfaces.http.server import HttpInterface
from host_bridge.interfaces.raw import RawInterface
from host_bridge.interfaces.raw_client import RawLimits
from host_bridge.interfaces.services import Drawers, Printing, Scans
from host_bridge.journal import Journal, JournalError
from host_bridge.state import State
from host_bridge.virtual.drills import DrillHub
from host_bridge.virtual.options import Options
from host_bridge.watch.faults import FaultBoard

log = logging.getLogger(__name__)

JOURNAL_FILE = "journal.sqlite3"
PRUNE_EVERY_S = 3600
ROOM_EVERY_S = 1.0
DTR_RTS_AT_ATTEMPT = 3
STOP_DEADLINE_S = 10.0


class Addresses(msgspec.Struct, frozen=True):
    """Where the bridge is to be found."""

    dashboard: str
    raw: str | None


class ServiceDied(Exception):
    """A part of the bridge ended that never ends: the bridge can't go on as if nothing were."""


class Bridge:
    """Implements `services.Bridge`."""

    printing: Printing
    drawers: Drawers
    scans: Scans

    def __init__(self, config: Config) -> None:
        self._config = config
        self.events = EventBus()
        self._faults = FaultBoard(self.events)
        self._virtual: DrillHub | None = None
        self._tasks: list[asyncio.Task[None]] = []
        # What is started is stopped in the opposite order, in which no promise breaks: tills, devices, link, journal.
        self._stops = AsyncExitStack()

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> Addresses:
        """Open the journal, start to look for the hub, then let tills in.

        Raises OSError (address), JournalError or VirtualHubError; nothing is left running then.
        """
        try:
            self._journal = await Journal.open(self._config.state_path / JOURNAL_FILE, self._config.journal)
            self._stops.push_async_callback(self._journal.close)
            await self._start_hub(await self._find_port())
            self._tasks = [
                asyncio.create_task(self._record_faults(), name="record faults"),
                asyncio.create_task(self._watch_room(), name="watch room"),
                asyncio.create_task(self._prune(), name="prune"),
            ]
            self._stops.push_async_callback(self._stop_tasks)
            return await self._start_interfaces()
        except BaseException:
            await self.stop()
            raise

    async def run(self) -> None:
        """Wait for ever; raises ServiceDied if a part of the bridge ends."""
        running = [*self._tasks, *self._hub.tasks()]
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        raise ServiceDied(f"{task.get_name()} ended") from (None if task.cancelled() else task.exception())

    async def stop(self) -> None:
        """Stop what runs; jobs and scans that are not settled stay in the journal for the next start."""
        await self._stops.aclose()

    # -- services.Bridge -----------------------------------------------------------------------------------------

    def state(self) -> State:
        return State(
            version=__version__,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            virtual=self._virtual is not None,
            link=self._link.state(),
            hub=self._hub.hub(),
            devices=self._hub.devices(),
            indicator=self._hub.indicator.state(),
            faults=self._faults.active(),
        )

    # -- parts ---------------------------------------------------------------------------------------------------

    async def _find_port(self) -> str:
        """The configured port, or that of a virtual hub started for it."""
        config = self._config
        if not config.virtual.enabled:
            return config.hub.port
        self._virtual = DrillHub(on_event=self.events.publish)
        options = Options(
            engine=config.virtual.engine,
            link_baud=config.virtual.baud_rate,
            printer_baud=config.virtual.printer_baud_rate,
            printer_speed_mm_per_s=config.virtual.print_speed_mm_per_s,
        )
        board = _virtual_board()
        board["printer"]["baud_rate"] = options.printer_baud
        await self._virtual.start(config.state_path, board=board, options=options)
        self._stops.push_async_callback(self._virtual.stop)
        return self._virtual.port

    async def _start_hub(self, port: str) -> None:
        config = self._config
        self._link = HubLink(
            port, options=_link_options(config), publish=self._on_link_event, keep_trace=self._keep_trace
        )
        self._hub = HubDevices(
            self._link,
            self._journal,
            self.events,
            self._faults,
            printer=_printer_options(config),
            expire_ms=config.scanner.expire_ms,
            kick_on_ms=config.drawer.on_ms,
            kick_time_to_live_ms=config.drawer.time_to_live_ms,
        )
        self.printing, self.scans, self.drawers = self._hub.printing, self._hub.scans, self._hub.drawers
        if self._virtual:
            self._virtual.kick = lambda: self.drawers.kick(source="drill")
        self._stops.push_async_callback(self._hub.settle)
        self._stops.push_async_callback(self._link.stop)
        await self._hub.start()
        self._stops.push_async_callback(self._hub.stop)
        self._link.start()

    async def _start_interfaces(self) -> Addresses:
        config = self._config
        http = HttpInterface(
            self,
            config.http.address,
            virtual=self._virtual,
            allowed_hosts=config.http.allowed_hosts,
            allowed_origins=config.http.allowed_origins,
        )
        await http.start()
        self._stops.push_async_callback(http.stop)
        if not config.raw.enabled:
            return Addresses(http.url, None)
        limits = RawLimits(
            max_connections=config.raw.max_clients,
            idle_flush_ms=config.raw.idle_flush_ms,
            max_job_bytes=config.printer.max_job_bytes,
        )
        raw = RawInterface(self, config.raw.address.host, config.raw.address.port, limits=limits)
        await raw.start()
        self._stops.push_async_callback(raw.stop)
        host, port = raw.address
        return Addresses(http.url, f"{host}:{port}")

    async def _stop_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def _on_link_event(self, event: LinkEvent) -> None:
        self.events.publish(event)
        self._hub.on_link_event(event)

    def _keep_trace(self, reason: str, frames: list[tuple[object, ...]]) -> None:
        self._hub.keep_trace(reason, frames)

    async def _record_faults(self) -> None:
        """Keep in the journal when each fault came and went."""
        while True:
            subscription = self.events.subscribe()
            try:
                async for event in subscription:
                    if isinstance(event, FaultEvent):
                        await self._keep("fault" if event.active else "fault_cleared", event.fault.code)
            except Overflow:
                log.warning("faults came faster than the journal could keep them")

    async def _keep(self, kind: str, code: str) -> None:
        try:
            await self._journal.add_event(kind, {"code": code})
        except JournalError as error:
            log.warning("an event was not kept: %s", error)

    async def _watch_room(self) -> None:
        """A full disk is a fault that the LED shows as well."""
        while True:
            full = self._journal.accepting() is not None
            if full != ("journal_full" in self._faults.codes("bridge")):
                self._hub.indicator.want(self._faults.report_bridge("journal_full", full))
            await asyncio.sleep(ROOM_EVERY_S)

    async def _prune(self) -> None:
        while True:
            try:
                await self._journal.prune()
            except JournalError as error:
                log.error("the journal could not be pruned: %s", error)
            await asyncio.sleep(PRUNE_EVERY_S)


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


def _link_options(config: Config) -> HubLinkOptions:
    pulse_at = DTR_RTS_AT_ATTEMPT if "dtr_rts" in config.hub.recover else None
    return HubLinkOptions(baud=config.hub.baud_rate, recovery=Recovery(pulse_at=pulse_at))


def _printer_options(config: Config) -> PrinterOptions:
    printer = config.printer
    return PrinterOptions(
        confirm=printer.confirm,
        confirm_timeout_ms=printer.confirm_timeout_ms,
        max_job_bytes=printer.max_job_bytes,
        max_queued_jobs=printer.max_queued_jobs,
        max_queued_bytes=printer.max_queued_bytes,
    )


def _virtual_board() -> dict[str, Any]:
    return tomllib.loads(files("board_configs").joinpath("virtual.toml").read_text(encoding="utf-8"))
