"""What really happened at the counter: paper, barcodes read, drawers opened. The judge of all promises."""

from __future__ import annotations

from tests.simulation.world import World

CLOCK_SLACK_MS = 2  # both clocks are read in whole milliseconds


class Counter:
    """Knows what nobody in the simulation knows: the truth. Each call checks the promise that it is about."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.jobs: dict[bytes, bytes] = {}  # submitted: id → data
        self.paper: dict[bytes, bytearray] = {}
        self.committed: set[bytes] = set()  # jobs whose state `sending` is in the journal
        self.sessions: set[tuple[bytes, int, int]] = set()  # that a hub has agreed to: its life, beacon, number
        self._read: dict[tuple[bytes, int], bytes] = {}
        self._kept: dict[tuple[bytes, int], bytes] = {}  # in the bridge's journal
        self._kept_last: dict[bytes, int] = {}
        self._excused: set[tuple[bytes, int]] = set()  # the hub lost power while it alone had them
        self._deadlines: dict[int, float] = {}
        self._opened: set[int] = set()
        self.clock_excuse_ms = 0.0  # a kick can be late by as much as the clocks were set wrong, and no more

    # -- printer ---------------------------------------------------------------------------------------------------

    def on_paper(self, job: bytes, data: bytes) -> None:
        self._world.promise(job in self.committed, f"job {job!r} is printed before its journal says that it is sent")
        paper = self.paper.setdefault(job, bytearray())
        expected = self.jobs.get(job, b"")[len(paper) : len(paper) + len(data)]
        self._world.promise(data == expected, f"job {job!r}: wrong, missing or repeated bytes at {len(paper)}")
        paper += data

    def job_printed(self, job: bytes) -> None:
        self._world.promise(self.paper.get(job, b"") == self.jobs[job], f"job {job!r} counts as printed and is not")

    # -- scanner ---------------------------------------------------------------------------------------------------

    def scan_read(self, boot_id: bytes, sequence: int, data: bytes) -> None:
        self._read[boot_id, sequence] = data

    def scan_journaled(self, boot_id: bytes, sequence: int, data: bytes) -> None:
        """A new scan is in the journal."""
        key = (boot_id, sequence)
        self._world.promise(self._read.get(key) == data, f"scan {key} reads {data!r}, which was never scanned")
        self._world.promise(key not in self._kept, f"scan {key} is in the journal twice")
        before = self._kept_last.get(boot_id, 0)
        self._world.promise(sequence == before + 1, f"scan {sequence} follows scan {before}: lost or out of order")
        self._kept_last[boot_id] = sequence
        self._kept[key] = data

    def scan_forgotten(self, boot_id: bytes, sequence: int) -> None:
        """The hub believes that the bridge owns it."""
        self._world.promise((boot_id, sequence) in self._kept, f"scan {sequence} was given up before it was journaled")

    def scans_lost_with_power(self, boot_id: bytes, sequences: list[int]) -> None:
        self._excused.update((boot_id, sequence) for sequence in sequences)

    def missing_scans(self) -> set[tuple[bytes, int]]:
        return self._read.keys() - self._kept.keys() - self._excused

    # -- drawer ----------------------------------------------------------------------------------------------------

    def kick_asked(self, kick: int, deadline_ms: float) -> None:
        self._deadlines[kick] = deadline_ms

    def drawer_opens(self, kick: int) -> None:
        self._world.say("drawer", "opens")
        self._world.promise(kick in self._deadlines, f"the drawer opens for kick {kick}, which nobody asked for")
        self._world.promise(kick not in self._opened, f"the drawer opens twice for kick {kick}")
        self._opened.add(kick)
        late_ms = self._world.now - self._deadlines[kick]
        allowed_ms = self.clock_excuse_ms + CLOCK_SLACK_MS
        self._world.promise(late_ms <= allowed_ms, f"the drawer opens {late_ms:.0f} ms after the kick's time to live")
