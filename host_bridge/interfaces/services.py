"""What a till interface may ask of the bridge. Interfaces depend on this and on nothing behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from host_bridge.events import EventBus
from host_bridge.journal.records import Job, Kick, Scan
from host_bridge.state import ScannerState, State

KICK_TIME_TO_LIVE_MS = 2000  # promise 3 in the product's words: within 2 s unless asked otherwise


class Refused(Exception):
    """A request that can't be taken. `code` is stable; `detail` says what was expected, what came, what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Duplicate(msgspec.Struct, frozen=True, kw_only=True):
    """The same content came before; perhaps a till sent it again without its idempotency key."""

    job_id: str
    ago_s: int


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a print request: the journaled job."""

    job: Job
    replayed: bool = False  # the idempotency key was known: this is the earlier job, nothing new happened
    warning: str | None = None  # for example: the same content was printed as job … 12 s ago
    duplicate: Duplicate | None = None  # the same, for a sentence in another language


class Printing(Protocol):
    """UnifiedPOS POSPrinter, as far as a till interface needs it."""

    async def submit(self, data: bytes, *, source: str, idempotency_key: str | None = None) -> Submitted:
        """Journal a job of complete ESC/POS commands. Committed when this returns.

        Raises Refused with code `journal_full`, `queue_full`, `job_too_large`, `idempotency_mismatch` or `stopping`.
        """

    async def job(self, job_id: str) -> Job | None: ...

    async def jobs(self, *, limit: int) -> list[Job]:
        """The newest jobs first."""

    async def job_data(self, job_id: str) -> bytes | None: ...

    async def cancel(self, job_id: str) -> Job:
        """Raises Refused with code `job_unknown`, or `job_not_cancellable` once its bytes are under way."""

    async def wait_final(self, job_id: str) -> Job:
        """Wait until the job is in a final state. The caller sets the deadline."""

    def accepting(self) -> Refused | None:
        """None if jobs can be taken now; otherwise why not."""

    def watch_accepting(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever `accepting` begins or ceases to be None."""

    def status_bytes(self) -> bytes | None:
        """The printer's four ASB bytes, or None while nobody can know (link down, printer silent)."""


class Drawers(Protocol):
    """UnifiedPOS CashDrawer."""

    async def kick(
        self,
        *,
        source: str,
        drawer: int = 1,
        on_ms: int | None = None,
        time_to_live_ms: int | None = None,
        idempotency_key: str | None = None,
    ) -> Kick:
        """Open the drawer within its time to live, or never; returns the kick in a final state.

        None: as configured, 100 ms and KICK_TIME_TO_LIVE_MS by default.

        Raises Refused with code `kick_invalid`, `idempotency_mismatch` or `journal_full`.
        """


class Scans(Protocol):
    """UnifiedPOS Scanner."""

    async def after(self, sequence: int, *, limit: int) -> list[Scan]:
        """Journaled scans with a higher sequence, oldest first, whatever their state."""

    async def newest(self, *, limit: int) -> list[Scan]:
        """The newest journaled scans, the oldest of them first, whatever their state."""

    async def waiting(self) -> list[Scan]:
        """Scans that no till has acknowledged and that have not expired, oldest first."""

    async def acknowledge(self, sequence: int) -> bool:
        """Settle one scan. False if it is unknown, expired or settled already."""

    async def switch(self, enabled: bool, *, for_ms: int | None = None) -> ScannerState:
        """Let the scanner read, or keep it from reading for a time (five minutes if nothing is said).

        Raises Refused with code `scanner_switch_invalid`, `scanner_not_switchable`, `link_down`, `link_busy`,
        `link_lost` or `hub_no_answer`.
        """


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of paper that came out of the virtual printer."""

    n: int  # 1 is the first
    size_bytes: int
    height_px: int
    cut: bool
    printed_at: str


class VirtualCounter(Protocol):
    """The counter to play with: the simulated world around a virtual hub."""

    async def scan(self, data: str, symbology: str | None) -> None:
        """Hold a barcode under the scanner. Raises Refused(`scanner_unplugged` / `scan_invalid`)."""

    async def set_fault(self, fault: str, active: bool) -> None:
        """Raises Refused(`fault_unknown`) with the names that exist."""

    def faults(self) -> dict[str, bool]: ...

    async def close_drawer(self) -> None: ...

    async def lights(self) -> list[tuple[int, str]]:
        """The LED's newest changes of light, oldest first: (ms since the counter's start, #rrggbb)."""

    async def receipts(self) -> list[Receipt]: ...

    async def receipt_png(self, n: int) -> bytes | None: ...

    async def receipt_bytes(self, n: int) -> bytes | None: ...


class ServedHub(Protocol):
    """One hub with its devices. While it is not served, each of its services raises Refused."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    @property
    def printing(self) -> Printing: ...

    @property
    def drawers(self) -> Drawers: ...

    @property
    def scans(self) -> Scans: ...

    @property
    def events(self) -> EventBus: ...

    @property
    def virtual(self) -> VirtualCounter | None:
        """None with a real hub."""

    def state(self) -> State: ...
