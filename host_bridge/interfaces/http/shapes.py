"""The API's own messages; what the bridge already has a Struct for goes out as that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from host_bridge.devices import gs1
from host_bridge.devices.gs1 import Gs1
from host_bridge.devices.scanner_switch import OFF_MS_MAX, OFF_MS_MIN
from host_bridge.hub.plugged import PluggedPort
from host_bridge.interfaces.http.body import MAX_INTEGER
from host_bridge.interfaces.services import Duplicate, Receipt
from host_bridge.journal.records import Job, Scan, ScanState
from host_bridge.state import FaultState, State, Text

LONGEST_KICK_MS = 30_000  # nobody waits at a drawer for longer
SCAN_CHARACTERS = 4_096  # more than any symbology holds (QR code 40-L: 2953 bytes)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The service works. Whether the counter does is in the state. `link`: up if that of every hub is."""

    status: Literal["ok"]
    link: Literal["up", "down"]


class HubView(msgspec.Struct, frozen=True, kw_only=True):
    """One hub in a word: whether its counter can sell, and what is worst there."""

    name: str  # in the configuration, and in addresses
    id: str | None  # the hub's own; None until it was met
    status: Literal["ready", "warning", "fault"]  # fault: this counter can't sell
    link: Literal["up", "down"]
    virtual: bool
    worst_fault: FaultState | None
    href: str  # its state


class Hubs(msgspec.Struct, frozen=True, kw_only=True):
    hubs: list[HubView]


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    ports: list[PluggedPort]  # those that look like a hub first


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """Codes in words, each a part of a sentence."""

    reasons: dict[str, Text]  # why the link is down, and why a job or a kick ended as it did


class JobLinks(msgspec.Struct, frozen=True, kw_only=True):
    self: str
    receipt: str
    cancel: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The job is journaled: it survives a pulled cable and a killed bridge. What becomes of it is at `links.self`."""

    job_id: str
    state: Literal["queued"]  # as accepted; the same in the answer to a retry
    links: JobLinks
    warning: str | msgspec.UnsetType = msgspec.UNSET
    duplicate: Duplicate | msgspec.UnsetType = msgspec.UNSET  # what the warning says, for another language


class JobView(Job, frozen=True, kw_only=True):
    """A job, and where to find more of it. Times are seconds since the epoch."""

    links: JobLinks


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    jobs: list[JobView]  # the newest first


class ScanView(msgspec.Struct, frozen=True, kw_only=True):
    """One barcode, as in the event, and what became of it."""

    sequence: int
    data: str
    data_hex: str
    symbology: str | None
    check_digit_ok: bool | None
    repeat: bool
    read_at: str
    gs1: Gs1 | None  # the application identifiers of a GS1 barcode; null for all others
    state: ScanState


class Scans(msgspec.Struct, frozen=True, kw_only=True):
    scans: list[ScanView]  # the oldest first
    next_after: int  # ask for ?after= this to go on


class DrawerOpen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to open the drawer. What is left out is as configured under [drawer]."""

    drawer: Literal[1, 2] = 1
    on_ms: Annotated[int, msgspec.Meta(ge=1, le=510)] | msgspec.UnsetType = msgspec.UNSET  # the kick port's limit
    time_to_live_ms: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_KICK_MS)] | msgspec.UnsetType = msgspec.UNSET


class ScannerWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Let the scanner read, or keep it from reading for a time."""

    enabled: bool
    # How long it stays off; five minutes if left out. Ask again before it ends to keep it off.
    for_ms: Annotated[int, msgspec.Meta(ge=OFF_MS_MIN, le=OFF_MS_MAX)] | msgspec.UnsetType = msgspec.UNSET


# WebSocket, from the bridge


class StateMessage(msgspec.Struct, frozen=True, kw_only=True, tag="state"):
    """The first message of every connection."""

    state: State


class AckAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="ack"):
    """The scan is settled by this till (`accepted`), or was unknown, expired or settled before."""

    sequence: int
    accepted: bool


class ErrorMessage(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """The client's last message could not be used."""

    code: Literal["message_malformed", "observer", "service_timeout"]
    detail: str


# WebSocket, from the client


class Ack(msgspec.Struct, frozen=True, kw_only=True, tag="ack", forbid_unknown_fields=True):
    """The till has taken over this scan; it will not come again."""

    sequence: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]


# The virtual counter


class VirtualScan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A barcode to hold under the scanner."""

    data: Annotated[str, msgspec.Meta(min_length=1, max_length=SCAN_CHARACTERS)]
    symbology: Annotated[str, msgspec.Meta(max_length=16)] | None = None  # AIM identifier, for example "]E0"


class VirtualFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault to inject, or to take away."""

    fault: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    active: bool


class Light(msgspec.Struct, frozen=True, kw_only=True):
    """The LED changed to this light."""

    at_ms: int  # since the start of the virtual hub's process
    colour: str  # "#rrggbb"; "#000000" is dark


class ReceiptLinks(msgspec.Struct, frozen=True, kw_only=True):
    png: str
    bin: str


class ReceiptView(Receipt, frozen=True, kw_only=True):
    links: ReceiptLinks


def rfc3339(seconds: float) -> str:
    """UTC with milliseconds, for example 2025-01-31T09:30:00.125+00:00, as everywhere in the state."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def hub_view(name: str, state: State) -> HubView:
    severities = {fault.severity for fault in state.faults}
    broken = state.link.status != "up" or "error" in severities
    return HubView(
        name=name,
        id=None if state.hub is None else state.hub.id,
        status="fault" if broken else "warning" if "warning" in severities else "ready",
        link=state.link.status,
        virtual=state.virtual,
        worst_fault=state.faults[0] if state.faults else None,
        href=f"/api/v1/hubs/{name}/state",
    )


def job_links(job_id: str, base: str = "/api/v1") -> JobLinks:
    path = f"{base}/jobs/{job_id}"
    return JobLinks(self=path, receipt=f"{path}/receipt.png", cancel=f"{path}/cancel")


def job_view(job: Job, base: str = "/api/v1") -> JobView:
    fields = {name: getattr(job, name) for name in job.__struct_fields__}
    return JobView(**fields, links=job_links(job.job_id, base))


def receipt_view(receipt: Receipt, base: str = "") -> ReceiptView:
    fields = {name: getattr(receipt, name) for name in receipt.__struct_fields__}
    path = f"{base}/virtual/receipts/{receipt.n}"
    return ReceiptView(**fields, links=ReceiptLinks(png=f"{path}.png", bin=f"{path}.bin"))


def scan_view(scan: Scan) -> ScanView:
    return ScanView(
        sequence=scan.sequence,
        data=scan.data,
        data_hex=scan.raw.hex(),
        symbology=scan.symbology,
        check_digit_ok=scan.check_digit_ok,
        repeat=scan.repeat,
        read_at=rfc3339(scan.read_at),
        gs1=gs1.parse(scan.data, scan.symbology),
        state=scan.state,
    )
