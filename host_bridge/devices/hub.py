"""One hub with its devices: hands the link's messages to the device services, and their faults to the board."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from host_bridge.devices.drawer import ON_MS, DrawerService
from host_bridge.devices.indicator import IndicatorService
from host_bridge.devices.printer import PrinterOptions, PrinterService
from host_bridge.devices.scanner import EXPIRE_MS, ScannerService
from host_bridge.events import EventBus, LinkEvent
from host_bridge.hub.backup import BackedUpLink
from host_bridge.hub.reconnect import HubLink
from host_bridge.interfaces.services import KICK_TIME_TO_LIVE_MS
from host_bridge.journal import Journal, JournalError
from host_bridge.journal.records import TRACE_KIND
from host_bridge.plain_text import plain
from host_bridge.state import Devices, HubState
from host_bridge.watch.crumb import explain
from host_bridge.watch.faults import BRIDGE, FaultBoard
from hublink.hello import FLAG_SAFE_MODE
from hublink.messages import DICTIONARY_HASH
from hublink.words import RESET_CAUSES

log = logging.getLogger(__name__)

CRASH_TOLD_S = 600.0  # so long people see that the hub restarted by itself


class LinkView:
    """`devices.link.DeviceLink` over one path or two."""

    def __init__(self, link: HubLink | BackedUpLink) -> None:
        self._link = link
        self.session = 0
        self.told = False
        self.hub_id = ""
        self.boot_id = ""

    @property
    def is_up(self) -> bool:
        return self._link.is_up

    def send(self, name: str, *values: object) -> bool:
        return self._link.send(name, *values)

    def room(self, channel: int) -> int:
        return self._link.room(channel)

    def hub_clock_ms(self) -> int | None:
        return self._link.peer_clock_ms()

    def begin_session(self, hello: dict[str, Any]) -> None:
        self.session += 1
        self.told = False
        self.hub_id = hello["hub_id"].hex()
        self.boot_id = hello["boot_id"].hex()


class HubDevices:
    """Listens to one link; owns the services of its devices."""

    def __init__(
        self,
        link: HubLink | BackedUpLink,
        journal: Journal,
        events: EventBus,
        faults: FaultBoard,
        *,
        printer: PrinterOptions | None = None,
        expire_ms: int = EXPIRE_MS,
        kick_on_ms: int = ON_MS,
        kick_time_to_live_ms: int = KICK_TIME_TO_LIVE_MS,
    ) -> None:
        self._link = link
        self._journal = journal
        self._faults = faults
        self._view = LinkView(link)
        self._notes: set[asyncio.Task[None]] = set()
        self._problems: list[str] = []
        self._crash_timer: asyncio.TimerHandle | None = None
        self.printing = PrinterService(self._view, journal, events, printer)
        self.scans = ScannerService(self._view, journal, events, expire_ms)
        self.drawers = DrawerService(
            self._view, journal, events, on_ms=kick_on_ms, time_to_live_ms=kick_time_to_live_ms
        )
        self.indicator = IndicatorService(self._view, events)
        self._handlers: dict[str, Any] = {
            "faults": self._on_faults,
            "blame": self._on_blame,
            "problems": self._on_problems,
            "kick_done": self.drawers.on_kick_done,
            "drawer": self.drawers.on_drawer,
            "scan": self.scans.on_scan,
            "scanner": self.scans.on_scanner,
            "shown": self.indicator.on_shown,
            "job_status": self.printing.on_job_status,
            "printer_status": self.printing.on_printer_status,
            "printer_reply": self.printing.on_printer_reply,
        }
        link.add_listener(self)

    async def start(self) -> None:
        """Take up what the last life left; then the link may start."""
        await self.drawers.start()
        await self.scans.start()
        await self.printing.start()

    async def stop(self) -> None:
        """Stop the services; the link may still say goodbye."""
        await self.printing.stop()
        await self.scans.stop()

    async def settle(self) -> None:
        """After the link's end: wait for what is still being noted in the journal."""
        self._show_crash(False)
        if self._notes:
            await asyncio.wait(self._notes)

    def tasks(self) -> list[asyncio.Task[None]]:
        """What never ends while all is well."""
        return [*self.printing.tasks(), *self.scans.tasks()]

    # -- state ---------------------------------------------------------------------------------------------------

    def hub(self) -> HubState | None:
        """Who the hub said it is, also while it is away."""
        hello = self._link.hello
        if hello is None:
            return None
        cause = hello["reset_cause"]
        return HubState(
            id=hello["hub_id"].hex(),
            name=hello["name"],
            board=hello["board"],
            firmware=hello["firmware"],
            boot_id=hello["boot_id"].hex(),
            reset_cause=RESET_CAUSES[cause] if cause < len(RESET_CAUSES) else "unknown",
            boots=hello["boots"],
            safe_mode=bool(hello["flags"] & FLAG_SAFE_MODE),
            crumb=hello["crumb"] or None,
            crash=explain(hello["crumb"]),
            problems=list(self._problems),
        )

    def devices(self) -> Devices:
        return Devices(scanner=self.scans.state(), printer=self.printing.state(), drawer=self.drawers.state())

    # -- what the link says --------------------------------------------------------------------------------------

    def on_link_event(self, event: LinkEvent) -> None:
        self._faults.report_link(event.link.status, event.link.reason)
        shown = self._faults.report_paths(event.link)
        if shown is not None:
            self.indicator.want(shown)

    def link_up(self, hello: dict[str, Any], resumed: bool) -> None:
        life_before = self._view.hub_id, self._view.boot_id
        self._view.begin_session(hello)
        self.printing.link_up(hello)
        self.drawers.link_up()
        self._compare_versions(hello["dictionary"])
        self.indicator.link_up()
        if not resumed:
            hub = self.hub()
            assert hub is not None
            self._note("hub_started", reset_cause=hub.reset_cause, boots=hub.boots, crumb=hub.crumb)
            self._explain_start(hub, came_back=life_before[0] == hub.id and life_before[1] != hub.boot_id)

    def _explain_start(self, hub: HubState, *, came_back: bool) -> None:
        """Say why it started. A crash before this bridge met the hub may be days old: that is for the log alone."""
        if hub.crash is None:
            log.info("the hub started: %s, boot %d", hub.reset_cause, hub.boots)
        else:
            log.warning(
                "the hub started after a crash (%s, boot %d): %s [%s]",
                *(hub.reset_cause, hub.boots, hub.crash.en, hub.crumb),
            )
        self._show_crash(came_back and hub.crash is not None and not hub.safe_mode)

    def _show_crash(self, active: bool) -> None:
        """A notice that clears by itself; the hub is never told of it."""
        if self._crash_timer is not None:
            self._crash_timer.cancel()
            self._crash_timer = None
        if active:
            self._crash_timer = asyncio.get_running_loop().call_later(CRASH_TOLD_S, self._show_crash, False)
        if active != ("hub_crashed" in self._faults.codes(BRIDGE)):
            self._faults.report_bridge("hub_crashed", active)

    def _compare_versions(self, dictionary: int) -> None:
        """What both sides know goes on; that there is something which one doesn't know is worth a word."""
        differ = dictionary != DICTIONARY_HASH
        if differ != ("versions_differ" in self._faults.codes(BRIDGE)):
            self.indicator.want(self._faults.report_bridge("versions_differ", differ))

    def link_down(self, reason: str) -> None:
        self.printing.link_down()
        self.scans.link_down()
        self.drawers.link_down()
        self.indicator.link_down()
        self._note("link_down", reason=reason)

    def message(self, name: str, values: tuple[Any, ...]) -> None:
        handler = self._handlers.get(name)
        if handler is None:
            log.warning("the hub sent %r, which only a bridge says", name)
        else:
            handler(*values)

    def writable(self, channel: int) -> None:
        self.printing.writable(channel)

    def keep_trace(self, reason: str, frames: list[tuple[object, ...]]) -> None:
        """The last frames each way of a link that failed, for the technician."""
        self._note(TRACE_KIND, reason=reason, frames=frames[-200:])

    def _on_faults(self, numbers: bytes) -> None:
        codes = self._faults.report_hub(numbers)
        self._view.told = True
        self.printing.on_faults(codes)
        self.scans.on_faults(codes)
        self.drawers.on_faults(codes)

    def _on_blame(self, text: bytes) -> None:
        words = plain(text.decode("utf-8", "replace"), keep="\n")  # a traceback has lines
        log.error("a task in the hub failed: %s", words)
        self._note("hub_task_failed", text=words)

    def _on_problems(self, text: bytes) -> None:
        found = [plain(line) for line in text.decode("utf-8", "replace").split("\n") if line.strip()]
        if found and found != self._problems:
            log.error("the hub reports: %s", "; ".join(found))
            self._note("hub_problems", problems=found)
        self._problems = found

    def _note(self, kind: str, **detail: object) -> None:
        """Keep an event, without holding the link up."""
        task = asyncio.ensure_future(_logged(self._journal.add_event(kind, detail)))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)


async def _logged(adding: Coroutine[Any, Any, object]) -> None:
    try:
        await adding
    except JournalError as error:
        log.warning("an event was not kept: %s", error)
