"""One hub that the bridge serves: its journal, its link, its devices and its raw printer port.

A served hub depends on no other one: each has a journal file, faults and events of its own.
"""

from __future__ import annotations

import asyncio
import logging
import tomllib
import zlib
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from host_bridge import __version__
from host_bridge.config import Config, HubPlace
from host_bridge.devices.hub import HubDevices
from host_bridge.devices.printer import PrinterOptions
from host_bridge.events import EventBus, FaultEvent, LinkEvent, Overflow
from host_bridge.hub.choice import Claims, HubChoice
from host_bridge.hub.last_hub import LastHub
from host_bridge.interfaces.raw import RawInterface
from host_bridge.interfaces.raw_client import RawLimits
from host_bridge.interfaces.services import Drawers, Printing, Refused, Scans, VirtualCounter
from host_bridge.journal import Journal, JournalError
from host_bridge.log import SERVED_HUB
from host_bridge.served_link import make_link
from host_bridge.state import Devices, DrawerState, IndicatorState, LinkState, PrinterState, ScannerState, State
from host_bridge.virtual.control import VirtualHubError
from host_bridge.virtual.drills import DrillHub
from host_bridge.virtual.options import Options
from host_bridge.virtual.wiring import BACKUP
from host_bridge.watch.faults import FaultBoard
from host_bridge.watch.texts import PATTERN_TEXTS

log = logging.getLogger(__name__)

JOURNAL_FILE = "journal.sqlite3"
PRUNE_EVERY_S = 3600
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0
HELD_S = 60.0  # a hub that was served for so long is started again at once when it fails


class ServiceDied(Exception):
    """A part of the service ended that never ends: it can't go on as if nothing were."""


class ServedHub:
    """Implements `services.ServedHub`."""

    def __init__(self, place: HubPlace, config: Config, claims: Claims) -> None:
        """`claims`: what the served hubs of this process hold."""
        self.name = place.name
        self.events = EventBus()
        self._place = place
        self._config = config
        self._claims = claims
        self._raw: RawInterface | None = None
        self._faults = FaultBoard(self.events)
        self._virtual: DrillHub | None = None
        self._devices: HubDevices | None = None  # None while it is not served
        self._why_not = ("hub_stopped", "this hub's service has not started yet")
        self._down_since = _now()
        self._tasks: list[asyncio.Task[None]] = []
        # What is started is stopped in the opposite order, in which no promise breaks: tills, devices, link, journal.
        self._stops = AsyncExitStack()

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the journal, start to look for the hub, then let tills print.

        Raises OSError (address), JournalError or VirtualHubError; nothing is left running then.
        """
        try:
            self._journal = await Journal.open(self._place.state_path / JOURNAL_FILE, self._config.journal)
            self._stops.push_async_callback(self._journal.close)
            self._faults.report_link("down", "starting")
            await self._start_link(*await self._find_ports())
            self._tasks = [
                asyncio.create_task(self._record_faults(), name="record faults"),
                asyncio.create_task(self._prune(), name="prune"),
            ]
            self._stops.push_async_callback(self._stop_tasks)
            await self._start_raw()
        except BaseException:
            await self.stop()
            raise

    async def run(self) -> None:
        """Wait for ever; raises ServiceDied if a part ends."""
        assert self._devices is not None
        running = [*self._tasks, *self._devices.tasks()]
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        raise ServiceDied(f"{task.get_name()} ended") from (None if task.cancelled() else task.exception())

    async def stop(self) -> None:
        """Stop what runs; jobs and scans that are not settled stay in the journal for the next start."""
        try:
            await self._stops.aclose()
        finally:
            self._devices = self._raw = None
            self._down_since = _now()

    async def try_start(self) -> Exception | None:
        """Start; what stands in the way becomes a fault of this hub, and of no other, and is returned."""
        SERVED_HUB.set(self.name)
        try:
            await self.start()
        except Exception as error:
            self._fail(error)
            return error
        return None

    async def keep(self) -> None:
        """Serve for ever: what fails is told, stopped, and started again."""
        SERVED_HUB.set(self.name)
        pause_s = RETRY_FIRST_S
        loop = asyncio.get_running_loop()
        while True:
            began_at = loop.time()
            if self._devices is not None:
                try:
                    await self.run()
                except ServiceDied as error:
                    await self._give_up(error)
            if loop.time() - began_at > HELD_S:
                pause_s = RETRY_FIRST_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_MAX_S)
            await self.try_start()

    # -- services.ServedHub --------------------------------------------------------------------------------------

    @property
    def printing(self) -> Printing:
        return self._served().printing

    @property
    def drawers(self) -> Drawers:
        return self._served().drawers

    @property
    def scans(self) -> Scans:
        return self._served().scans

    @property
    def virtual(self) -> VirtualCounter | None:
        return self._virtual

    def state(self) -> State:
        return State(
            version=__version__,
            time=_now(),
            virtual=self._config.virtual.enabled,
            emulated=self._is_emulated,
            link=self._link.state() if self._devices else self._down(),
            hub=self._devices.hub() if self._devices else None,
            devices=self._devices.devices() if self._devices else _UNKNOWN_DEVICES,
            indicator=self._devices.indicator.state() if self._devices else _WAITING,
            faults=self._faults.active(),
        )

    @property
    def raw_address(self) -> str | None:
        """HOST:PORT at which tills print raw."""
        if self._raw is None:
            return None
        host, port = self._raw.address
        return f"{host}:{port}"

    @property
    def _is_emulated(self) -> bool:
        return self._config.virtual.enabled and bool(self._config.virtual.emulated_pico)

    # -- parts ---------------------------------------------------------------------------------------------------

    async def _find_ports(self) -> tuple[str, str | None]:
        """The configured port and backup port, or those of a virtual hub started for it."""
        virtual = self._config.virtual
        if not virtual.enabled:
            return self._place.hub.port, self._place.hub.backup_port
        options = Options(
            engine=virtual.engine,
            backup_path=virtual.backup_path,
            link_baud=virtual.baud_rate,
            printer_baud=virtual.printer_baud_rate,
            printer_speed_mm_per_s=virtual.print_speed_mm_per_s,
            drawer_on=virtual.drawer,
            printer_flow=virtual.printer_flow,
            printer_wiring="ttl" if "line" in virtual.printer_power_signs else "rs232",
            printer_power_notice="notice" in virtual.printer_power_signs,
            printer_macros="memory" in virtual.printer_power_signs,
        )
        if virtual.emulated_pico:
            self._virtual = await self._start_emulated(Path(virtual.emulated_pico), options)
        else:
            self._virtual = await self._start_simulated(options)
        self._stops.push_async_callback(self._virtual.stop)
        return self._virtual.port, self._virtual.backup_port if options.backup_path else None

    async def _start_simulated(self, options: Options) -> DrillHub:
        """The firmware beside a simulated chip."""
        virtual = DrillHub(on_event=self.events.publish)
        board = _virtual_board()
        board["printer"]["baud_rate"] = options.printer_baud
        if options.backup_path:
            board["backup_link"] = {**board["link"], "uart": BACKUP.uart, "tx": BACKUP.tx, "rx": BACKUP.rx}
        if options.printer_flow == "xon_xoff":
            del board["printer"]["cts"]
            board["printer"]["flow"] = "xon_xoff"
        if options.drawer_on == "printer":
            board["drawer"] = {"wiring": "printer", "drawers": 2}
        if "sense" not in self._config.virtual.printer_power_signs:
            del board["printer"]["sense"]
        if self._config.several:
            options = msgspec.structs.replace(options, unique_id=f"e6600000{zlib.crc32(self.name.encode()):08x}")
            board["hub_name"] = self.name
        await virtual.start(self._place.state_path, board=board, options=options)
        return virtual

    async def _start_emulated(self, image: Path, options: Options) -> DrillHub:
        """A Pico's image on an emulated chip, on which the firmware has been laid."""
        from host_bridge.emulator.hub import EmulatedHub, read_image  # who has a real hub shall not pay for it

        pico = EmulatedHub(on_event=self.events.publish)
        await pico.start_pico(self._place.state_path, await asyncio.to_thread(read_image, image), options)
        return pico

    async def _start_link(self, port: str, backup_port: str | None) -> None:
        config = self._config
        last = LastHub(self._place.state_path)
        hub = self._place.hub
        wanted_id = None if config.virtual.enabled else hub.id
        last_id = await last.read()
        choice = HubChoice(self.name, self._claims, wanted_id=wanted_id, last_id=last_id, remember=last.remember)
        if config.virtual.enabled:  # its till has no pin that leads to it
            hub = msgspec.structs.replace(hub, reset_line=None)
        self._link = make_link(
            hub,
            port,
            backup_port,
            is_console=self._is_emulated,  # its pseudo-terminal stands for the chip's USB
            publish=self._on_link_event,
            keep_trace=self._keep_trace,
            choice=choice,
        )
        devices = self._devices = HubDevices(
            self._link,
            self._journal,
            self.events,
            self._faults,
            printer=_printer_options(config),
            expire_ms=config.scanner.expire_ms,
            kick_on_ms=config.drawer.on_ms,
            kick_time_to_live_ms=config.drawer.time_to_live_ms,
        )
        if self._virtual:
            self._virtual.kick = lambda: self.drawers.kick(source="drill")
        self._stops.push_async_callback(last.settle)
        self._stops.push_async_callback(devices.settle)
        self._stops.push_async_callback(self._link.stop)
        await devices.start()
        self._stops.push_async_callback(devices.stop)
        self._journal.watch_room(self._show_room)
        self._show_room()
        self._link.start()

    async def _start_raw(self) -> None:
        address = self._place.raw
        if address is None:
            return
        config = self._config
        limits = RawLimits(
            max_connections=config.raw.max_clients,
            idle_flush_ms=config.raw.idle_flush_ms,
            max_job_bytes=config.printer.max_job_bytes,
        )
        raw = RawInterface(self, address.host, address.port, limits=limits)
        await raw.start()
        self._stops.push_async_callback(raw.stop)
        self._raw = raw

    async def _stop_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def _on_link_event(self, event: LinkEvent) -> None:
        self.events.publish(event)
        if self._devices is not None:
            self._devices.on_link_event(event)

    def _keep_trace(self, reason: str, frames: list[tuple[object, ...]]) -> None:
        if self._devices is not None:
            self._devices.keep_trace(reason, frames)

    def _served(self) -> HubDevices:
        if self._devices is None:
            raise Refused(*self._why_not)
        return self._devices

    async def _give_up(self, error: ServiceDied) -> None:
        """A part of it has died."""
        log.error("%s", error, exc_info=error.__cause__)
        try:
            await self.stop()
        except Exception:  # what can't be stopped must not keep the rest from its next try
            log.exception("this hub could not be stopped in order")
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        code = "journal_failed" if isinstance(error, JournalError) else "hub_stopped"
        if (code, str(error)) != self._why_not:
            log.error("this hub is not served: %s", error, exc_info=_unforeseen(error))
        self._why_not = (code, str(error))
        self._faults.report_bridge("journal_full", False)
        self._faults.report_link("down", code)
        self.events.publish(LinkEvent(link=self._down()))

    def _down(self) -> LinkState:
        """While it is not served."""
        code, detail = self._why_not
        return LinkState(status="down", since=self._down_since, port=self._place.hub.port, reason=code, detail=detail)

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

    def _show_room(self) -> None:
        """A full disk is a fault that the LED shows as well."""
        full = self._journal.accepting() is not None
        if self._devices is not None and full != ("journal_full" in self._faults.codes("bridge")):
            self._devices.indicator.want(self._faults.report_bridge("journal_full", full))

    async def _prune(self) -> None:
        while True:
            try:
                await self._journal.prune()
            except JournalError as error:
                log.error("the journal could not be pruned: %s", error)
            await asyncio.sleep(PRUNE_EVERY_S)


_UNKNOWN_DEVICES = Devices(
    scanner=ScannerState(status="unknown"),
    printer=PrinterState(status="unknown"),
    drawer=DrawerState(status="unknown"),
)
_WAITING = IndicatorState(pattern="waiting", known=False, meaning=PATTERN_TEXTS["waiting"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _unforeseen(error: Exception) -> Exception | None:
    """What wants its traceback in the log."""
    return None if isinstance(error, (JournalError, VirtualHubError, OSError, ServiceDied)) else error


def _printer_options(config: Config) -> PrinterOptions:
    printer = config.printer
    return PrinterOptions(
        confirm=printer.confirm,
        confirm_timeout_ms=printer.confirm_timeout_ms,
        remember=printer.remember,
        max_job_bytes=printer.max_job_bytes,
        max_queued_jobs=printer.max_queued_jobs,
        max_queued_bytes=printer.max_queued_bytes,
    )


def _virtual_board() -> dict[str, Any]:
    return tomllib.loads(files("board_configs").joinpath("virtual.toml").read_text(encoding="utf-8"))
