"""The simulated printer: what a job's bytes do, what it answers, and how it behaves when things go wrong."""

from __future__ import annotations

import io

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from host_bridge.escpos.status import from_asb
from host_bridge.virtual import printer as printer_module
from host_bridge.virtual.printer import (
    BUFFER_BYTES,
    BUSY_FREE_BYTES,
    CUT_MS,
    MAX_RECEIPTS,
    READY_FREE_BYTES,
    VirtualPrinter,
)

PROOF = b"\x1d(H\x06\x0000\x01\x02\x03\x04"
PROOF_ANSWER = b"\x37\x22\x01\x02\x03\x04\x00"
CUT = b"\x1dV\x00"
ASB_ON = b"\x1da\x0f"
RASTER = b"\x1dv0\x00\x48\x00\x2b\x02" + bytes(range(256)) * 156 + bytes(72 * 555 - 256 * 156)  # 40 kB, 555 rows


class Bench:
    """A printer on a bench with a clock in the hand and a host that keeps to flow control."""

    def __init__(self, **options: object) -> None:
        self.now = 1000.0
        self.replies: list[bytes] = []
        self.reply_times: list[float] = []
        self.kicks: list[tuple[int, int]] = []
        self.came_out: list[int] = []
        self.printer = VirtualPrinter(
            reply=self._replied,
            kick=lambda pin, on_ms: self.kicks.append((pin, on_ms)),
            receipt=self.came_out.append,
            wall_clock=lambda: "2024-06-18T12:30:00+00:00",
            **options,  # type: ignore[arg-type]
        )

    def _replied(self, data: bytes) -> None:
        self.replies.append(data)
        self.reply_times.append(self.now)

    @property
    def answer(self) -> bytes:
        """All that came back since last asked."""
        data = b"".join(self.replies)
        self.replies.clear()
        self.reply_times.clear()
        return data

    def send(self, data: bytes, chunk: int = 512) -> None:
        """As much at a time as there is room for, then let it finish."""
        while data:
            size = min(chunk, self.printer.room_bytes(), len(data))
            if size:
                self.printer.receive(data[:size], self.now)
                data = data[size:]
            if not self.tick() and not size:
                return
        self.run()

    def tick(self) -> bool:
        due = self.printer.advance(self.now)
        if due is None:
            return False
        assert due >= self.now
        self.now = due
        self.printer.advance(self.now)
        return True

    def run(self, *, for_ms: float | None = None) -> None:
        """Let time pass until nothing moves any more, or for so long."""
        end = None if for_ms is None else self.now + for_ms
        while (due := self.printer.advance(self.now)) is not None and (end is None or due <= end):
            assert due >= self.now
            self.now = due
        if end is not None:
            self.now = end
            self.printer.advance(self.now)

    def receipt(self, n: int = 1) -> bytes:
        data = self.printer.receipt_bytes(n)
        assert data is not None
        return data


# --- receipts


@pytest.mark.parametrize(
    "job", [b"Hello\n" + CUT, b"\x1b@Hi\n\x1dVB\x10", RASTER + b"\n" + CUT, b"no cut\n", b"no feed"]
)
@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_the_bytes_of_a_receipt_are_exactly_the_bytes_of_the_job(job: bytes, chunk: int) -> None:
    bench = Bench()
    bench.send(b"\x10\x04\x01" + ASB_ON)
    bench.send(job, chunk)
    bench.send(PROOF)
    assert bench.printer.receipts == [1]
    assert bench.receipt() == job
    assert bench.printer.dropped_bytes == 0


def test_what_follows_a_cut_without_a_mark_belongs_to_the_receipt_just_cut() -> None:
    bench = Bench()
    bench.send(b"A\n" + CUT + b"\x1bp\x00\x32\x32\x1b@" + PROOF)
    bench.send(b"B\n" + CUT + PROOF)
    assert bench.receipt(1) == b"A\n" + CUT + b"\x1bp\x00\x32\x32\x1b@"
    assert bench.receipt(2) == b"B\n" + CUT
    assert bench.came_out == [1, 2]


def test_a_kick_between_proven_receipts_changes_neither() -> None:
    bench = Bench()
    bench.send(b"A\n" + CUT + PROOF + b"\x1bp\x00\x32\x32" + PROOF + b"B\n" + CUT + PROOF)
    assert (bench.receipt(1), bench.receipt(2)) == (b"A\n" + CUT, b"B\n" + CUT)
    assert bench.kicks == [(0, 100)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [b"text\n", "合计￥1\n".encode("gb18030"), b"\x1b@", b"\x1d!\x11", b"\x1bd\x03", b"\x00\x00"]
            ),
            st.sampled_from([b"", b"\x10\x04\x01", b"\x1bp\x01\x19\xfa", b"\x1dI\x43"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.integers(1, 40), min_size=1, max_size=10),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_portions_each_job_is_one_receipt_with_its_own_bytes(
    parts: list[tuple[bytes, bytes]], sizes: list[int]
) -> None:
    job = b"x\n" + b"".join(a + b for a, b in parts) + CUT
    bench = Bench()
    stream = (job + PROOF) * 2
    turn = 0
    while stream:
        size = sizes[turn % len(sizes)]
        bench.send(stream[:size])
        stream = stream[size:]
        turn += 1
    assert [bench.receipt(n) for n in bench.printer.receipts] == [job, job]


def test_a_receipt_can_be_looked_at() -> None:
    bench = Bench()
    bench.send(b"\x1d(k\x03\x001C\x06\x1d(k\x05\x001P0ok\x1d(k\x03\x001Q0\n" + CUT)
    (info,) = bench.printer.receipts_info()
    assert (info.n, info.cut, info.printed_at) == (1, True, "2024-06-18T12:30:00+00:00")
    png = bench.printer.receipt_png(1)
    assert png is not None
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)).convert("RGBA").convert("L"))
    assert code.text == "ok"
    assert bench.printer.receipt_png(2) is None
    assert bench.printer.receipt_bytes(2) is None


def test_only_the_newest_receipts_are_kept_and_n_goes_on() -> None:
    bench = Bench()
    for _ in range(MAX_RECEIPTS + 5):
        bench.send(b"a\n" + CUT)
    assert len(bench.printer.receipts_info()) == MAX_RECEIPTS
    assert (bench.printer.receipts[0], bench.printer.receipts[-1]) == (6, MAX_RECEIPTS + 5)


def test_large_receipts_push_out_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printer_module, "MAX_KEPT_BYTES", 20_000)
    bench = Bench()
    for n in range(6):
        bench.send(b"\x1b@" * 3000 + b"%d\n" % n + CUT)
    assert bench.printer.receipts == [4, 5, 6]


def test_commands_without_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printer_module, "MAX_RECEIPT_BYTES", 5000)
    bench = Bench()
    bench.send(b"\x1b@" * 10_000)
    assert bench.printer.receipts == []
    bench.send(b"a\n" + b"\x1bE\x01" * 3000 + CUT)
    assert all(r.size_bytes <= 5010 for r in bench.printer.receipts_info())


def test_paper_that_never_ends_is_torn_after_ten_metres() -> None:
    bench = Bench()
    bench.send(b"\x1b3\xff" + b"\x1bd\xff" * 4)
    assert len(bench.printer.receipts) >= 1
    assert not bench.printer.receipts_info()[0].cut


# --- answers


@pytest.mark.parametrize(("enquiry", "answer"), [(PROOF, PROOF_ANSWER), (b"\x1dr\x01", b"\x00"), (b"\x1dr2", b"\x00")])
def test_proof_comes_only_after_the_paper(enquiry: bytes, answer: bytes) -> None:
    bench = Bench()
    started = bench.now
    bench.printer.receive(b"a line\n" * 40 + CUT + enquiry, bench.now)
    bench.run(for_ms=40 * 30 / 8 / 200 * 1000 + CUT_MS - 20)
    assert bench.replies == []
    assert bench.came_out == []
    bench.run()
    assert bench.replies == [answer]
    assert bench.came_out == [1]
    assert bench.reply_times[0] - started == pytest.approx(40 * 30 / 8 / 200 * 1000 + CUT_MS, rel=0.02)


def test_a_raster_image_comes_out_at_the_speed_of_the_paper() -> None:
    bench = Bench()
    started = bench.now
    bench.send(RASTER)
    assert bench.now - started == pytest.approx(555 / 8 / 200 * 1000, rel=0.05)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_status_enquiries_are_answered_with_one_byte_at_once_even_while_printing(n: int) -> None:
    bench = Bench()
    bench.printer.receive(RASTER[:3000], bench.now)
    bench.printer.receive(bytes((0x10, 0x04, n)), bench.now)
    assert bench.answer == b"\x12"


def test_real_time_commands_are_obeyed_in_any_portions_and_inside_pictures() -> None:
    bench = Bench()
    picture = b"\x1dv0\x00\x08\x00\x01\x00\x10\x04\x01\x10\x14\x01\x00\x03"
    for byte in picture:
        bench.printer.receive(bytes((byte,)), bench.now)
    assert bench.answer == b"\x12"
    assert bench.kicks == [(0, 300)]


def test_asb_tells_at_once_and_at_each_change_that_was_asked_for() -> None:
    bench = Bench()
    bench.send(ASB_ON)
    assert bench.answer == b"\x10\x00\x00\x0f"
    bench.printer.set_paper_near_end(True, bench.now)
    bench.printer.set_paper_end(True, bench.now)
    bench.printer.set_paper_end(True, bench.now)
    assert [from_asb(r).paper_end for r in bench.replies] == [False, True]
    assert not from_asb(bench.replies[1]).online
    _ = bench.answer
    bench.printer.set_paper_end(False, bench.now)
    bench.printer.set_paper_near_end(False, bench.now)
    bench.printer.set_cover_open(True, bench.now)
    last = from_asb(bench.replies[-1])
    assert last.cover_open
    assert not last.online
    bench.printer.set_cover_open(False, bench.now)
    bench.send(b"\x1da\x00")
    _ = bench.answer
    bench.printer.set_cover_open(True, bench.now)
    assert bench.replies == []


def test_asb_asked_for_while_offline_is_answered() -> None:
    bench = Bench()
    bench.printer.set_paper_end(True, bench.now)
    bench.send(ASB_ON, chunk=1)
    assert from_asb(bench.answer).paper_end


def test_the_cutter_error_waits_for_recovery() -> None:
    bench = Bench(recovers_by_enquiry=True)
    bench.send(ASB_ON)
    _ = bench.answer
    bench.printer.set_cutter_jam(True, bench.now)
    status = from_asb(bench.answer)
    assert (status.cutter_error, status.waiting, status.online) == (True, True, False)
    bench.printer.receive(b"\x10\x04\x03\x10\x05\x01", bench.now)
    assert bench.answer == b"\x1a"  # still jammed: recovery fails
    bench.printer.set_cutter_jam(False, bench.now)
    assert bench.replies == []
    bench.printer.receive(b"a\n" + CUT + b"\x10\x05\x01", bench.now)
    assert from_asb(bench.answer).online
    bench.run()
    assert bench.came_out == [1]


def test_a_cleared_jam_ends_the_error_by_itself_unless_told_otherwise() -> None:
    bench = Bench()
    bench.printer.set_cutter_jam(True, bench.now)
    assert not bench.printer.status.online
    bench.printer.set_cutter_jam(False, bench.now)
    assert bench.printer.status.online


def test_identity_and_asb_on_request() -> None:
    bench = Bench()
    bench.send(b"\x1dI\x42\x1dI\x01\x1dI\x45")
    assert bench.answer == b"\x5fCOUNTERHUB\x00\x20\x5fCHINA GB18030\x00"
    bench.printer.receive(b"\x10\x14\x07\x01", bench.now)
    assert bench.answer == b"\x10\x00\x00\x0f"


@pytest.mark.parametrize(
    ("command", "kick"),
    [
        (b"\x1bp\x00\x32\xfa", (0, 100)),
        (b"\x1bp1\x19\xfa", (1, 50)),
        (b"\x1bp\x00\x00\x00", None),
        (b"\x1bp\x07\x32\x32", None),
        (b"\x10\x14\x01\x01\x08", (1, 800)),
        (b"\x10\x14\x01\x00\x09", None),
    ],
)
def test_kicks(command: bytes, kick: tuple[int, int] | None) -> None:
    bench = Bench()
    bench.send(command)
    assert bench.kicks == ([kick] if kick else [])


def test_the_real_time_kick_works_without_paper_and_the_queued_one_waits() -> None:
    bench = Bench()
    bench.printer.set_paper_end(True, bench.now)
    bench.send(b"\x1bp\x00\x32\x32\x10\x14\x01\x00\x01")
    assert bench.kicks == [(0, 100)]
    bench.printer.set_paper_end(False, bench.now)
    bench.run()
    assert bench.kicks == [(0, 100), (0, 100)]


def test_a_deselected_printer_prints_nothing_until_it_is_selected_again() -> None:
    bench = Bench()
    bench.send(b"\x1b=\x02for the customer display\n\x1b=\x01paper\n" + CUT)
    assert bench.printer.receipts_info()[0].height_px < 80


# --- flow control


def test_busy_at_16_free_and_ready_again_at_26() -> None:
    bench = Bench(xon_xoff=True)
    bench.printer.set_paper_end(True, bench.now)
    bench.printer.receive(b"x", bench.now)
    bench.printer.advance(bench.now)  # one command is held behind the buffer
    room = bench.printer.room_bytes()
    assert room == BUFFER_BYTES - BUSY_FREE_BYTES
    bench.printer.receive(b"a" * room, bench.now)
    assert bench.printer.room_bytes() == 0
    assert bench.answer == b"\x13"
    bench.printer.receive(b"b" * (BUSY_FREE_BYTES + 5), bench.now)
    assert bench.printer.dropped_bytes == 5
    bench.printer.receive(b"\x10\x04\x04", bench.now)
    assert bench.answer == b"\x72"
    bench.printer.set_paper_end(False, bench.now)
    bench.run()
    assert bench.answer == b"\x11"
    assert bench.printer.room_bytes() == BUFFER_BYTES - BUSY_FREE_BYTES
    assert BUSY_FREE_BYTES < READY_FREE_BYTES


@pytest.mark.parametrize("piece_bytes", [1, 125, 300])
def test_an_offline_printer_takes_its_buffer_full_however_the_bytes_come(piece_bytes: int) -> None:
    bench = Bench()
    bench.printer.set_cover_open(True, bench.now)
    taken = 0
    while size := min(piece_bytes, bench.printer.room_bytes()):
        bench.printer.receive(b"x" * size, bench.now)
        bench.run()
        taken += size
    assert taken == BUFFER_BYTES - BUSY_FREE_BYTES + 1  # and the one command that it looks at


def test_a_sender_that_keeps_to_flow_control_loses_nothing_however_slow_the_paper() -> None:
    bench = Bench(speed_mm_per_s=5.0)
    job = b"a longer line of text to keep the buffer full\n" * 250 + CUT
    bench.send(job, chunk=4096)
    assert bench.receipt() == job
    assert bench.printer.dropped_bytes == 0


# --- faults in the middle


@pytest.mark.parametrize("fault", ["set_paper_end", "set_cover_open", "set_cutter_jam"])
def test_a_fault_in_the_middle_holds_the_rest_and_the_receipt_is_whole_afterwards(fault: str) -> None:
    bench = Bench()
    bench.send(ASB_ON)
    _ = bench.answer
    job = b"before\n" + RASTER + b"after\n" + CUT
    sent = 0
    while sent < len(job):
        size = min(64, bench.printer.room_bytes(), len(job) - sent)
        bench.printer.receive(job[sent : sent + size], bench.now)
        sent += size
        bench.run(for_ms=1)
        if sent >= 20_000 and bench.printer.status.online and len(bench.replies) == 0:
            getattr(bench.printer, fault)(True, bench.now)
        if size == 0:
            assert bench.printer.advance(bench.now) is None
            bench.run(for_ms=5000)
            assert bench.printer.room_bytes() == 0
            getattr(bench.printer, fault)(False, bench.now)
    bench.send(PROOF)
    assert bench.receipt() == job
    assert [from_asb(r).online for r in bench.replies[:2]] == [False, True]
    assert bench.answer.endswith(PROOF_ANSWER)


def test_without_power_the_paper_under_way_stays_and_everything_else_is_forgotten() -> None:
    bench = Bench()
    bench.send(ASB_ON + b"\x1d!\x77" + PROOF)
    _ = bench.answer
    bench.printer.receive(RASTER[:4000], bench.now)
    bench.run(for_ms=20)
    bench.printer.set_power(False, bench.now)
    (info,) = bench.printer.receipts_info()
    assert not info.cut
    assert 20 <= info.height_px <= 60
    assert RASTER.startswith(bench.receipt(1))
    assert bench.printer.room_bytes() == 0
    bench.printer.receive(b"lost\n\x10\x04\x01" + PROOF, bench.now)
    bench.printer.set_paper_near_end(True, bench.now)
    bench.run()
    assert bench.replies == []
    bench.printer.set_power(True, bench.now)
    bench.printer.set_paper_near_end(False, bench.now)
    assert bench.replies == []  # ASB is off again
    bench.send(b"small\n" + CUT + PROOF)
    assert bench.receipt(2) == b"small\n" + CUT
    assert bench.printer.receipts_info()[1].height_px < 60  # the size is forgotten too
    assert bench.came_out == [1, 2]


def test_power_lost_during_the_cut_leaves_a_receipt_that_was_not_cut() -> None:
    bench = Bench()
    bench.printer.receive(b"a\n" + CUT, bench.now)
    bench.run(for_ms=CUT_MS / 2)
    assert bench.came_out == []
    bench.printer.set_power(False, bench.now)
    assert [r.cut for r in bench.printer.receipts_info()] == [False]


def test_power_off_with_nothing_printed_leaves_no_paper() -> None:
    bench = Bench()
    bench.send(b"\x1b@never fed")
    bench.printer.set_power(False, bench.now)
    assert bench.printer.receipts == []


# --- anything at all

_ACTIONS = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([RASTER[:5000], RASTER, CUT, PROOF, ASB_ON, b"\x1bL", b"\x0c", b"\x1d8L\xff\xff\xff\x7f0p0"]),
    st.tuples(
        st.sampled_from(["power", "paper_end", "paper_near_end", "cover_open", "cutter_jam", "drawer_pin3"]),
        st.booleans(),
    ),
    st.floats(0, 2000),
)


@given(st.lists(_ACTIONS, max_size=25))
@settings(max_examples=80, deadline=None)
def test_nothing_breaks_it(actions: list[object]) -> None:
    bench = Bench()
    for action in actions:
        if isinstance(action, bytes):
            bench.printer.receive(action, bench.now)
        elif isinstance(action, tuple):
            getattr(bench.printer, f"set_{action[0]}")(action[1], bench.now)
        elif isinstance(action, float):
            bench.run(for_ms=action)
        assert 0 <= bench.printer.room_bytes() <= BUFFER_BYTES - BUSY_FREE_BYTES
    bench.run()
    for n in bench.printer.receipts:
        assert bench.printer.receipt_bytes(n) is not None
