from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from host_bridge.virtual.line import QUEUE_LIMIT_BYTES, SLICE_S, WHOLE_MS, Line, garble, speeds_agree
from tests.virtual.clock import ManualClock


def test_bytes_take_their_time_at_the_baud_rate() -> None:
    clock, arrived = ManualClock(), bytearray()
    line = Line(clock, arrived.extend, baud=115200)
    line.push(bytes(1152))
    clock.advance(0.05)
    assert 576 - SLICE_S * 11520 - 1 <= len(arrived) <= 576
    clock.advance(0.0499)
    assert len(arrived) < 1152
    clock.advance(0.0002)
    assert len(arrived) == 1152


def test_no_byte_is_early_and_a_pause_earns_no_credit() -> None:
    clock, arrived = ManualClock(), bytearray()
    line = Line(clock, arrived.extend, baud=9600)
    line.push(b"a")
    clock.advance(0.00104)
    assert not arrived
    clock.advance(0.00001)
    assert arrived == b"a"
    clock.advance(10)
    line.push(b"bc")
    clock.advance(0.001)
    assert arrived == b"a"
    clock.advance(0.0011)
    assert arrived == b"abc"


def test_a_short_burst_arrives_whole_at_its_end_and_a_long_one_piece_by_piece() -> None:
    clock = ManualClock()
    pieces: list[bytes] = []
    line = Line(clock, pieces.append, baud=9600, whole_ms=WHOLE_MS)
    line.push(bytes(48))
    clock.advance(0.0499)
    assert not pieces
    clock.advance(0.0004)
    assert pieces == [bytes(48)]
    line.push(bytes(960))
    clock.advance(0.1)
    assert len(pieces) > 20
    line.clear()
    line.push(b"one")
    clock.advance(0.004)
    assert pieces[-1] == b"one"


def test_an_idle_line_never_wakes_the_loop_and_a_busy_one_once_a_slice() -> None:
    clock = ManualClock()
    line = Line(clock, lambda data: None, baud=115200)
    line.push(bytes(11520))
    clock.advance(2)
    assert 1 / SLICE_S * 0.9 <= clock.wakeups <= 1 / SLICE_S * 1.2
    assert clock.pending == 0


@given(
    st.lists(st.tuples(st.binary(max_size=400), st.integers(0, 300)), max_size=30), st.sampled_from([0, 9600, 115200])
)
def test_flow_control_loses_and_reorders_nothing(steps: list[tuple[bytes, int]], baud: int) -> None:
    clock, arrived = ManualClock(), bytearray()
    sent: list[int] = []
    room = [0]

    def deliver(data: bytes) -> None:
        assert len(data) <= room[0]
        room[0] -= len(data)
        arrived.extend(data)

    line = Line(clock, deliver, sent=sent.append, room=lambda: room[0], baud=baud)
    for data, more_room in steps:
        line.push(data, credited=True)
        clock.advance(0.01)
        room[0] += more_room
        line.resume()
    room[0] = 1 << 20
    line.resume()
    clock.advance(60)
    wanted = b"".join(data for data, _ in steps)
    assert arrived == wanted and sum(sent) == len(wanted) and line.queued_bytes == 0


def test_what_comes_above_the_limit_is_dropped_and_counted() -> None:
    clock = ManualClock()
    line = Line(clock, lambda data: None, baud=300)
    line.push(bytes(QUEUE_LIMIT_BYTES + 7))
    line.push(b"more")
    assert line.dropped_bytes == 11 and line.queued_bytes == QUEUE_LIMIT_BYTES


def test_only_credited_bytes_are_reported_as_sent_and_a_reset_forgets_the_rest() -> None:
    clock, arrived = ManualClock(), bytearray()
    sent: list[int] = []
    line = Line(clock, arrived.extend, sent=sent.append, baud=9600)
    line.push(b"text")
    line.push(b"data", credited=True)
    clock.advance(0.0081)
    assert arrived == b"textdat" and sum(sent) == 3
    line.clear()
    clock.advance(1)
    assert arrived == b"textdat" and clock.pending == 0


def test_a_delivery_may_answer_on_the_same_line() -> None:
    clock, arrived = ManualClock(), bytearray()

    def deliver(data: bytes) -> None:
        arrived.extend(data)
        if len(arrived) < 5:
            line.push(b"x")

    line = Line(clock, deliver)
    line.push(b"a")
    assert arrived == b"axxxx"


def test_different_speeds_garble_every_byte_but_keep_their_number() -> None:
    assert speeds_agree(115200, 115200) and speeds_agree(9600, 9700) and not speeds_agree(9600, 19200)
    data = bytes(range(256))
    assert len(garble(data)) == 256 and b"A" not in garble(b"ABC")
