"""The active faults: what the hub says, what the link's state means, and what the bridge itself finds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from host_bridge.events import EventBus, FaultEvent
from host_bridge.state import FaultState, LinkState
from host_bridge.watch.texts import FAULT_TEXTS
from hublink.fault_table import BY_NUMBER, FAULTS, NOT_SENT, NUMBER_OF
from hublink.faults import worst

log = logging.getLogger(__name__)

_ENTRY = {entry[1]: entry for entry in FAULTS}
CHANGING = "changing_path"
# Why the link is down, in the words of host_bridge.hub → the fault that people see.
_LINK_FAULTS = {
    "port_missing": "port_missing",
    "port_vanished": "port_missing",
    "starting": None,  # still looking: no fault yet
    "stopped": None,
    CHANGING: None,  # a second at most
    "standby": "hub_silent",
    "port_busy": "port_busy",
    "permission_denied": "permission_denied",
    "silent": "hub_silent",
    "no_answer": "hub_deaf",
    "open_timeout": "hub_silent",
    "hub_restarted": "hub_silent",
    "hub_lost_session": "hub_silent",
    "closed_by_peer": "hub_silent",
    "checksum_errors": "checksum_errors",
    "repl": "hub_at_prompt",
    "firmware_too_old": "firmware_too_old",
    "bridge_too_old": "bridge_too_old",
    "version_mismatch": "bridge_too_old",  # of the framing; the first is 1, so another is newer
    "two_hubs": "two_hubs",
    "other_hub": "other_hub",
    "same_hub": "same_hub",
    "journal_failed": "journal_failed",
    "hub_stopped": "hub_stopped",
}
PATH_FAULTS = frozenset(("on_backup_path", "backup_path_down", "backup_other_hub"))
HUB, LINK, BRIDGE = "hub", "link", "bridge"


class FaultBoard:
    """Which faults are active, by who reports them."""

    def __init__(self, events: EventBus, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._events = events
        self._clock = clock
        self._reported: dict[str, set[str]] = {HUB: set(), LINK: set(), BRIDGE: set()}
        self._active: dict[str, FaultState] = {}

    def active(self) -> list[FaultState]:
        """The worst first."""
        order = {code: index for index, code in enumerate(self._by_severity())}
        return sorted(self._active.values(), key=lambda fault: order[fault.code])

    def codes(self, reporter: str) -> set[str]:
        return set(self._reported[reporter])

    def report_hub(self, numbers: Iterable[int]) -> set[str]:
        """The hub's faults, all of them; returns their codes."""
        codes = {BY_NUMBER[number][1] for number in numbers if number in BY_NUMBER}
        self._replace(HUB, codes)
        return codes

    def report_link(self, status: str, reason: str | None) -> None:
        """The link's state. While it is down nothing is known of the hub's own faults.

        In the second of a change of path what was known stands, so that no fault seems to be mended and to come anew.
        """
        if status == "up":
            self._replace(LINK, set())
            return
        code = _LINK_FAULTS.get(reason or "", "link_error")
        self._replace(LINK, {code} if code else set())
        if reason != CHANGING:
            self._replace(HUB, set())

    def report_paths(self, link: LinkState) -> bytes | None:
        """How the two paths to the hub fare; returns as `report_bridge` does, None if nothing is new."""
        found = _path_faults(link)
        before = self._reported[BRIDGE] & PATH_FAULTS
        if found == before or link.reason == CHANGING:
            return None
        self._replace(BRIDGE, (self._reported[BRIDGE] - PATH_FAULTS) | found)
        return self._shown()

    def report_bridge(self, code: str, active: bool) -> bytes:
        """A fault of the bridge itself; returns the numbers of all that the hub's LED is to show."""
        codes = self._reported[BRIDGE] | {code} if active else self._reported[BRIDGE] - {code}
        self._replace(BRIDGE, codes)
        return self._shown()

    def _shown(self) -> bytes:
        numbers = sorted(NUMBER_OF[code] for code in self._reported[BRIDGE])
        return bytes(number for number in numbers if number < NOT_SENT)

    def _replace(self, reporter: str, codes: set[str]) -> None:
        self._reported[reporter] = codes
        wanted = set().union(*self._reported.values())
        for code in sorted(set(self._active) - wanted):
            fault = self._active.pop(code)
            log.info("fault cleared: %s", code)
            self._events.publish(FaultEvent(active=False, fault=fault))
        for code in sorted(wanted - set(self._active)):
            fault = self._active[code] = self._fault(code)
            log.warning("fault: %s: %s", code, fault.title.en)
            self._events.publish(FaultEvent(active=True, fault=fault))

    def _fault(self, code: str) -> FaultState:
        number, _, device, severity, blinks = _ENTRY[code]
        text = FAULT_TEXTS[code]
        return FaultState(
            code=code,
            severity=severity,  # type: ignore[arg-type]
            device=device,
            since=self._clock().isoformat(timespec="milliseconds"),
            blinks=blinks if number < NOT_SENT else 0,
            title=text.title,
            cause=text.cause,
            remedy=text.remedy,
        )

    def _by_severity(self) -> list[str]:
        left = {NUMBER_OF[code] for code in self._active}
        order = []
        while left:
            number = worst(left)
            left.discard(number)
            order.append(BY_NUMBER[number][1])
        return order


def _path_faults(link: LinkState) -> set[str]:
    status = {path.name: path.status for path in link.paths}
    if "other_hub" in status.values():
        return {"backup_other_hub"} | ({"on_backup_path"} if status["backup"] == "in_use" else set())
    if status.get("backup") == "in_use":
        return {"on_backup_path"}
    # With the link down as well, its own fault says what to do.
    return {"backup_path_down"} if link.status == "up" and status.get("backup") == "down" else set()
