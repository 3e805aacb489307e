"""What a person can see of the bridge: the one shape behind `GET /api/v1/state`, `counterhub status` and the page."""

from __future__ import annotations

from typing import Literal

import msgspec


class Text(msgspec.Struct, frozen=True):
    en: str
    zh: str


class FaultState(msgspec.Struct, frozen=True, kw_only=True):
    """An active fault with the sentences that tell a clerk what to do."""

    code: str
    severity: Literal["error", "warning", "notice"]
    device: str  # "hub", "link", "printer", "drawer", "scanner", "bridge"
    since: str  # RFC 3339, UTC
    blinks: int  # how often the LED blinks for it; 0: the hub is not told, and its light does not show it
    title: Text
    cause: Text
    remedy: Text


class PathState(msgspec.Struct, frozen=True, kw_only=True):
    """One of two paths to the hub."""

    name: Literal["primary", "backup"]
    status: Literal["in_use", "standby", "down", "other_hub"]  # standby: it answers, and could be used at once
    port: str | None = None
    transport: str | None = None
    reason: str | None = None  # while it is of no use


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["up", "down"]
    since: str
    port: str | None = None  # the port in use, or last used
    transport: str | None = None  # "USB CDC", "UART", "TCP", "pty"
    reason: str | None = None  # while down: "port_missing", "port_busy", "silent", ... see docs/faults.md
    detail: str | None = None  # while down: what exactly was seen, for a technician
    round_trip_ms: float | None = None
    session: int | None = None
    # Since the bridge began to serve the hub, over all connections; but `waiting_*`, `unacknowledged` at this moment.
    statistics: dict[str, int] = {}
    paths: list[PathState] = []  # both, where a backup path is configured


class HubState(msgspec.Struct, frozen=True, kw_only=True):
    """Who the hub said it is; kept while the link is down."""

    id: str
    name: str
    board: str
    firmware: str
    boot_id: str
    reset_cause: str
    boots: int
    safe_mode: bool = False
    crumb: str | None = None  # what the hub's last crash left behind
    crash: Text | None = None  # the same as a sentence: what died, where, and how often
    problems: list[str] = []  # what the hub's board file and file system lack: file, key, reason


class ScannerState(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ready", "off", "fault", "unknown"]  # off: a till has switched it off, see off_until
    switchable: bool | None = None  # whether the hub can switch it off; None while nobody knows
    off_until: str | None = None  # it is on again then by itself
    scans: int = 0  # journaled since the bridge started
    waiting: int = 0  # not yet acknowledged by a till
    expire_ms: int = 10_000  # a scan that no till has acknowledged by then expires


class PrinterState(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ready", "printing", "fault", "unknown"]
    online: bool = False
    paper: Literal["ok", "near_end", "end", "unknown"] = "unknown"
    cover_open: bool = False
    cutter_error: bool = False
    queued_jobs: int = 0
    current_job: str | None = None
    asb: str | None = None  # the last Automatic Status Back bytes, 8 hex digits


class DrawerState(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["closed", "open", "fault", "unknown"]


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    scanner: ScannerState
    printer: PrinterState
    drawer: DrawerState


class LightStep(msgspec.Struct, frozen=True):
    """The LED holds `colour` (#rrggbb) for `ms`; the steps repeat."""

    colour: str
    ms: int


class IndicatorState(msgspec.Struct, frozen=True, kw_only=True):
    pattern: str  # "ready", "waiting", "fault:<code>", "safe_mode", "off", "unknown"
    known: bool  # False: the link is down and this is what the hub should be showing
    meaning: Text
    steps: list[LightStep] = []


class State(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    time: str
    virtual: bool
    emulated: bool = False  # the virtual hub's chip is an emulated one: slow, and all limits are in its time
    link: LinkState
    hub: HubState | None
    devices: Devices
    indicator: IndicatorState
    faults: list[FaultState]
