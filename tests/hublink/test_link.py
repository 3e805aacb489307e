"""What a session carries: in order, once, by priority, within credit, and again when it was lost."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hublink import link as link_module
from hublink import messages
from hublink.frame import ACK, DATA, NAK, PING, PONG
from hublink.link import QUEUE_MESSAGES, TICKS_MASK
from hublink.messages import BY_NAME, CONTROL, DRAWER, INDICATOR, PRINTER, SCANNER
from hublink.profile import UART
from tests.hublink.pair import SESSION, Pair, forge, frames_to_send, losing, read

JOB_DATA = messages.BY_NAME["job_data"].code
PRINTER_REPLY = messages.BY_NAME["printer_reply"].code
CREDIT_OF_PRINTER = 8


def fill(pair: Pair, count: int, start: int = 0) -> list[tuple[Any, ...]]:
    """Send so many messages to the hub, as there is room; return what was sent."""
    sent: list[tuple[Any, ...]] = []
    for _ in range(100 * count):
        if len(sent) == count:
            return sent
        if pair.bridge.room(PRINTER) and pair.bridge.send("job_data", b"%d" % (start + len(sent))):
            sent.append(("job_data", b"%d" % (start + len(sent))))
        elif not pair.carry(False) and not pair.carry(True):
            pair.advance(20)
    raise AssertionError(f"only {len(sent)} of {count} messages could be sent")


# -- order and priority ------------------------------------------------------------------------------------------------


def test_messages_leave_strictly_by_channel_and_in_order_within_one() -> None:
    pair = Pair(window=8).up()
    pair.bridge.send("job_data", b"1")
    pair.bridge.send("job_data", b"2")
    pair.bridge.send("show", b"\x01")
    pair.bridge.send("scan_taken", 5)
    pair.bridge.send("kick", 1, 1, 100, 0)
    pair.pump()
    assert [message[0] for message in pair.messages(False)] == ["kick", "scan_taken", "show", "job_data", "job_data"]
    assert pair.messages(False)[3:] == [("job_data", b"1"), ("job_data", b"2")]


def test_a_scan_waits_behind_the_frame_in_flight_and_not_behind_the_receipt() -> None:
    pair = Pair(window=8).up()
    for number in range(8):
        pair.hub.send("job_status", b"job-0001", 1, 0, number, 0, b"")
    pair.carry(True)
    pair.hub.send("scan", 1, 0, 0, b"4006381333931")
    pair.carry(True)
    assert [message[0] for message in pair.messages(True)] == ["job_status", "scan"]


def test_a_queue_is_bounded_and_says_when_it_has_room_again() -> None:
    pair = Pair().up()
    sent = 0
    while pair.bridge.send("show", bytes([sent])):
        sent += 1
    assert sent == QUEUE_MESSAGES
    assert ("writable", INDICATOR) not in pair.bridge_events
    pair.pump()
    assert ("writable", INDICATOR) in pair.bridge_events
    assert pair.messages(False) == [("show", bytes([number])) for number in range(sent)]


def test_a_payload_too_long_for_a_frame_is_refused_and_nothing_is_queued() -> None:
    pair = Pair().up()
    with pytest.raises(ValueError, match="job_data of 241 bytes; at most 240"):
        pair.bridge.send("job_data", b"x" * 241)
    pair.pump()
    assert pair.messages(False) == []


@pytest.mark.parametrize(
    ("of_transport", "of_owner", "fits"), [(748, 748, 748), (240, 748, 240), (748, 240, 240), (748, None, 240)]
)
def test_a_bridge_may_send_as_much_as_the_hub_s_transport_and_its_owner_offer(
    of_transport: int, of_owner: int | None, fits: int
) -> None:
    pair = Pair() if of_owner is None else Pair(payload_bytes=of_owner)
    pair.hub.profile.payload_bytes = of_transport
    pair.up()
    assert pair.bridge.peer["payload_bytes"] == fits
    for content in (b"\x7e", b"\0", b"ab\x7e"):
        data = (content * fits)[:fits]
        assert pair.bridge.send("job_data", data)
        pair.pump()
        assert pair.messages(False)[-1] == ("job_data", data)
    with pytest.raises(ValueError, match=f"job_data of {fits + 1} bytes; at most {fits}"):
        pair.bridge.send("job_data", bytes(fits + 1))
    with pytest.raises(ValueError, match="job_status of 241 bytes; at most 240"):
        pair.hub.send("job_status", b"job 0001", 1, 0, 0, 0, bytes(241 - 18))


# -- reliability -------------------------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 25))
def test_all_arrive_once_and_in_order_whatever_is_lost(lost: list[bool], count: int) -> None:
    pair = Pair(held=()).up()
    losses = iter(lost)
    pair.lose = lambda from_hub, frame: next(losses, False)
    to_hub, to_bridge = [("show", bytes([n])) for n in range(count)], []
    waiting = list(to_hub)
    for number in range(count):
        while waiting and pair.bridge.send(*waiting[0]):
            waiting.pop(0)
        if pair.hub.send("scan", number, 0, 0, b"x"):
            to_bridge.append(("scan", number, 0, 0, b"x"))
        pair.advance(30)
    for _ in range(60):
        while waiting and pair.bridge.send(*waiting[0]):
            waiting.pop(0)
        pair.advance(200)
    if not [event for event in pair.hub_events + pair.bridge_events if event[0] == "down"]:
        assert pair.messages(False) == to_hub
        assert pair.messages(True) == to_bridge


@given(st.lists(st.sampled_from(["carry", "repeat", "late"]), min_size=1, max_size=60))
def test_frames_repeated_late_and_out_of_order_are_taken_once_and_in_order(acts: list[str]) -> None:
    pair = Pair(window=8).up()
    sent: list[tuple[Any, ...]] = []
    wire: list[bytes] = []
    for act in acts:
        while pair.bridge.room(PRINTER) and pair.bridge.send("job_data", b"%d" % len(sent)):
            sent.append(("job_data", b"%d" % len(sent)))
        while coded := pair.bridge.data_to_send(pair.clock):
            wire.append(coded)
        if wire:
            chosen = wire[-1] if act == "late" else wire[0]
            pair.hub.receive(chosen, pair.clock)
            if act != "repeat":
                wire.remove(chosen)
        pair.drain()
        pair.now += 1
        while coded := pair.hub.data_to_send(pair.clock):
            pair.bridge.receive(coded, pair.clock)
        pair.drain()
    for coded in wire:
        pair.hub.receive(coded, pair.clock)
    pair.advance(1900)
    assert pair.messages(False) == sent


def test_one_nak_is_said_for_a_gap_however_many_frames_follow_it() -> None:
    pair = Pair(window=8).up()
    for number in range(6):
        pair.bridge.send("job_data", b"%d" % number)
    coded = [pair.bridge.data_to_send(pair.now) for _ in range(6)]
    for one in coded[1:]:
        pair.hub.receive(one, pair.now)
        pair.carry(True)
    assert pair.kinds_sent(True).count(NAK) == 1
    assert pair.hub.statistics["gaps"] == 5
    pair.pump()
    assert [message[1] for message in pair.messages(False)] == [b"%d" % number for number in range(6)]
    assert pair.now == 1000  # the NAK mended it: no timer was needed


def test_a_nak_is_said_for_each_new_gap() -> None:
    pair = Pair(window=8).up()
    pair.lose = losing([1, 3])
    for number in range(6):
        pair.bridge.send("job_data", b"%d" % number)
    pair.pump()
    assert pair.kinds_sent(True).count(NAK) == 2
    assert len(pair.messages(False)) == 6
    assert pair.now == 1000


def test_a_lost_nak_is_made_good_by_the_timer() -> None:
    pair = Pair(window=8).up()
    left = [("data", 1), ("nak", 1)]

    def lose(from_hub: bool, frame: Any) -> bool:
        if not from_hub and frame[0] == DATA and frame[3] == 0 and left[0][0] == "data":
            left.pop(0)
            return True
        return from_hub and frame[0] == NAK

    pair.lose = lose
    for number in range(3):
        pair.bridge.send("job_data", b"%d" % number)
    pair.advance(600)
    assert len(pair.messages(False)) == 3
    assert pair.bridge.statistics["retransmitted"] == 3


def test_a_lost_last_frame_is_sent_again_after_the_timer_alone() -> None:
    pair = Pair().up()
    left = [1]
    pair.lose = lambda from_hub, frame: frame[0] == DATA and bool(left) and bool(left.pop())
    pair.bridge.send("job_data", b"last")
    pair.advance(149)
    assert pair.messages(False) == []
    pair.advance(500)
    assert pair.messages(False) == [("job_data", b"last")]


def test_the_timer_backs_off_to_its_limit_and_comes_back_with_the_next_sample() -> None:
    pair = Pair().up()
    lossy = True
    pair.lose = lambda from_hub, frame: lossy and frame[0] == DATA
    pair.bridge.send("job_data", b"x")
    pair.advance(8000)
    times = pair.data_sent(False)
    assert 5 <= len(times) <= 8
    assert pair.bridge._round_trip.timeout_ms == 2000
    lossy = False
    pair.advance(2100)
    assert pair.messages(False) == [("job_data", b"x")]
    fill(pair, 3, start=1)
    pair.advance(100)
    assert pair.bridge._round_trip.timeout_ms < 500


def test_the_estimator_is_that_of_rfc_6298() -> None:
    link = Pair().up().bridge
    link._round_trip.forget()
    srtt = rttvar = 0.0
    for number, sample in enumerate([100, 120, 80, 300, 100, 100, 110, 90, 100, 100]):
        link._round_trip.sample(sample)
        if number == 0:
            srtt, rttvar = sample, sample / 2
        else:
            rttvar += (abs(srtt - sample) - rttvar) / 4
            srtt += (sample - srtt) / 8
        assert abs((link.round_trip_ms or 0) - srtt) <= 3
        assert link._round_trip.timeout_ms == pytest.approx(min(2000, max(150, srtt + 4 * rttvar)), abs=16)


def test_the_timer_never_leaves_its_limits() -> None:
    link = Pair().up().bridge
    for _ in range(50):
        link._round_trip.sample(0)
    assert link._round_trip.timeout_ms == 150
    for _ in range(50):
        link._round_trip.sample(1999)
    assert link._round_trip.timeout_ms == 2000


def test_no_sample_is_taken_from_a_frame_sent_twice() -> None:
    pair = Pair().up()
    before = pair.bridge.round_trip_ms
    left = [1, 1]
    pair.lose = lambda from_hub, frame: frame[0] == PONG or (frame[0] == DATA and bool(left) and bool(left.pop()))
    pair.bridge.send("job_data", b"x")
    pair.advance(1500)
    assert pair.messages(False) == [("job_data", b"x")]
    assert pair.bridge.statistics["retransmitted"] == 2
    assert pair.bridge.round_trip_ms == before


@pytest.mark.parametrize("echo", [1, 0x3FFFFFFF, 0xFFFFFFFF, 0x20000000])
def test_a_lying_pong_does_not_spoil_the_estimate(echo: int) -> None:
    pair = Pair().up()
    pair.bridge.receive(forge(True, PONG, data=struct.pack("<II", echo, 5)), pair.now)
    assert (pair.bridge.round_trip_ms or 0) <= 2000
    assert pair.bridge._round_trip.timeout_ms <= 2000


def test_a_frame_that_needs_no_answer_at_once_is_acknowledged_within_the_delay() -> None:
    pair = Pair(window=8).up()
    pair.hub.send("scan", 1, 0, 0, b"x")
    pair.pump()
    assert pair.kinds_sent(False) == []
    assert pair.bridge.next_timer(pair.clock) == 20
    pair.advance(19)
    assert pair.kinds_sent(False) == []
    pair.advance(1)
    assert pair.kinds_sent(False) == [ACK]


def test_half_a_window_is_acknowledged_at_once_and_any_frame_carries_the_acknowledgement() -> None:
    pair = Pair(window=8).up()
    for number in range(4):
        pair.hub.send("faults", bytes([number]))
    pair.pump()
    assert pair.kinds_sent(False) == [ACK]
    pair.hub.send("scan", 4, 0, 0, b"x")
    pair.carry(True)
    pair.bridge.send("scan_taken", 4)
    pair.pump()
    assert pair.kinds_sent(False) == [ACK, DATA]
    assert pair.hub.flight == []


def test_a_repeated_frame_is_acknowledged_at_once_and_not_taken_again() -> None:
    pair = Pair().up()
    pair.bridge.send("job_data", b"x")
    coded = pair.bridge.data_to_send(pair.now)
    for _ in range(3):
        pair.hub.receive(coded, pair.now)
    pair.pump()
    assert pair.messages(False) == [("job_data", b"x")]
    assert pair.hub.statistics["repeated"] == 2
    assert ACK in pair.kinds_sent(True)


def test_an_acknowledgement_of_what_was_never_sent_is_named_and_changes_nothing() -> None:
    pair = Pair().up()
    pair.bridge.send("job_data", b"x")
    pair.bridge.data_to_send(pair.now)
    heard_at = pair.bridge._heard_at
    pair.now += 10
    for ack in (2, 5, 0x7FFF):
        pair.bridge.receive(forge(True, ACK, ack=ack), pair.now)
    assert pair.bridge.statistics["error_ack"] == 3
    assert len(pair.bridge.flight) == 1
    assert pair.bridge._heard_at == heard_at


def test_an_old_acknowledgement_changes_nothing() -> None:
    pair = Pair().up()
    fill(pair, 5)
    pair.pump()
    pair.bridge.send("job_data", b"new")
    pair.bridge.data_to_send(pair.now)
    for ack in (0, 1, 4):
        pair.bridge.receive(forge(True, ACK, ack=ack), pair.now)
    assert len(pair.bridge.flight) == 1
    assert "error_ack" not in pair.bridge.statistics


def test_a_peer_that_restarts_its_sequence_is_not_heard_twice() -> None:
    pair = Pair().up()
    fill(pair, 3)
    pair.pump()
    for number in range(3):
        pair.hub.receive(forge(False, DATA, JOB_DATA, sequence=number, data=b"again"), pair.now)
    pair.pump()
    assert len(pair.messages(False)) == 3
    assert pair.hub.statistics["repeated"] == 3


def test_a_message_that_cannot_be_read_is_counted_and_passed_over() -> None:
    pair = Pair().up()
    pair.hub.receive(forge(False, DATA, 0x4F, sequence=0, data=b"unknown"), pair.now)
    pair.hub.receive(forge(False, DATA, 0x10, sequence=1, data=b"no kick"), pair.now)
    pair.hub.receive(forge(False, DATA, 0xF0, sequence=2, data=b"no channel"), pair.now)
    pair.hub.receive(forge(False, DATA, JOB_DATA, sequence=3, data=b"read"), pair.now)
    pair.drain()
    assert pair.hub.statistics["error_message"] == 3
    assert pair.messages(False) == [("job_data", b"read")]


# -- credit ------------------------------------------------------------------------------------------------------------


def test_no_more_leave_than_the_peer_has_credit_for_and_the_rest_waits() -> None:
    pair = Pair(window=8, held=(PRINTER,)).up()
    for number in range(12):
        pair.bridge.send("job_data", b"%d" % number)
    pair.advance(5000)
    assert len(pair.messages(False)) == CREDIT_OF_PRINTER
    assert pair.bridge.room(PRINTER) == 0
    assert "error_credit" not in pair.hub.statistics
    pair.bridge_events.clear()
    for _ in range(4):
        pair.hub.grant(PRINTER)
    pair.pump()
    assert len(pair.messages(False)) == 12


def test_room_is_what_may_be_sent_now_and_writable_follows_a_zero() -> None:
    pair = Pair(window=8, held=(PRINTER,)).up()
    while pair.bridge.room(PRINTER):
        pair.bridge.send("job_data", b"x")
    pair.pump()
    assert len(pair.messages(False)) == CREDIT_OF_PRINTER
    pair.bridge_events.clear()
    pair.hub.grant(PRINTER, 3)
    pair.pump()
    assert ("writable", PRINTER) not in pair.bridge_events  # too little to be worth a frame
    pair.hub.grant(PRINTER, 1)
    pair.pump()
    assert ("writable", PRINTER) in pair.bridge_events
    assert pair.bridge.room(PRINTER) == 4


def test_a_full_printer_holds_up_no_other_channel() -> None:
    pair = Pair(window=4, held=(PRINTER,)).up()
    for _ in range(16):
        pair.bridge.send("job_data", b"x")
    pair.pump()
    pair.bridge.send("kick", 9, 1, 100, 0)
    pair.pump()
    assert pair.messages(False)[-1] == ("kick", 9, 1, 100, 0)


def test_on_a_uart_what_is_urgent_goes_at_once_behind_three_frames_of_a_receipt_at_most() -> None:
    pair = Pair(window=UART.window, bulk_window=UART.bulk_window).up()
    for number in range(8):
        pair.bridge.send("job_data", bytes([number]))
    taken = frames_to_send(pair.bridge, pair.clock)
    assert [frame[1] for frame in taken] == [JOB_DATA] * 3
    pair.bridge.send("kick", 9, 1, 100, 0)
    pair.bridge.give(SCANNER, 8)
    assert [frame[1] >> 4 for frame in frames_to_send(pair.bridge, pair.clock)] == [CONTROL, DRAWER]


def test_on_a_uart_two_frames_are_acknowledged_while_the_third_keeps_the_line_busy() -> None:
    pair = Pair(window=UART.window, bulk_window=UART.bulk_window).up()
    for number in range(8):  # the other way round: this pair's hub acknowledges each frame
        pair.hub.send("printer_reply", bytes([number]))
    sent = [pair.hub.data_to_send(pair.clock) for _ in range(3)]
    assert all(sent) and not pair.hub.data_to_send(pair.clock)
    pair.bridge.receive(sent[0], pair.clock)
    assert not pair.bridge.data_to_send(pair.clock)
    pair.bridge.receive(sent[1], pair.clock)
    pair.hub.receive(pair.bridge.data_to_send(pair.clock), pair.clock)
    assert [frame[1] for frame in frames_to_send(pair.hub, pair.clock)] == [PRINTER_REPLY] * 2


def test_a_peer_that_ignores_its_credit_is_named_and_not_served() -> None:
    pair = Pair(held=(PRINTER,)).up()
    for number in range(CREDIT_OF_PRINTER + 5):
        pair.hub.receive(forge(False, DATA, JOB_DATA, sequence=number, data=b"x"), pair.now)
    pair.drain()
    assert len(pair.messages(False)) == CREDIT_OF_PRINTER
    assert pair.hub.statistics["error_credit"] == 1
    assert pair.hub.statistics["gaps"] == 4
    pair.hub.grant(PRINTER)
    pair.hub.receive(forge(False, DATA, JOB_DATA, sequence=CREDIT_OF_PRINTER, data=b"now"), pair.now)
    pair.drain()
    assert pair.messages(False)[-1] == ("job_data", b"now")


def test_a_peer_that_claims_endless_credit_makes_nothing_grow() -> None:
    pair = Pair().up()
    pair.hub.receive(forge(False, DATA, 0, data=struct.pack("<BH", SCANNER, 0x7FFF)), pair.now)
    sent = 0
    while pair.hub.send("scan", sent, 0, 0, b"x"):
        sent += 1
    assert sent == QUEUE_MESSAGES
    pair.hub.receive(forge(False, DATA, 0, sequence=1, data=struct.pack("<BH", SCANNER, 0xFFF0)), pair.now)
    pair.hub.receive(forge(False, DATA, 0, sequence=2, data=struct.pack("<BH", 77, 9)), pair.now)
    assert pair.hub.statistics["error_credit"] == 2


def test_credit_taken_back_is_named_and_ignored() -> None:
    pair = Pair().up()
    pair.hub.receive(forge(False, DATA, 0, data=struct.pack("<BH", SCANNER, 3)), pair.now)
    assert pair.hub.statistics["error_credit"] == 1
    assert pair.hub.room(SCANNER) == 8


# -- messages handed over as they come ---------------------------------------------------------------------------------


def test_a_message_is_handed_over_as_it_comes_and_its_credit_given_back() -> None:
    pair = Pair(window=8).up()
    heard: list[tuple[str, Any]] = []
    pair.hub.deliver = lambda name, values: heard.append((name, values))
    for number in range(40):
        assert pair.bridge.send("kick", number, 1, 200, 9)
        pair.advance(30)
    assert heard == [("kick", (number, 1, 200, 9)) for number in range(40)]
    assert not [event for event in pair.hub_events if event[0] == "message"]


def test_a_message_behind_an_event_that_was_not_read_waits_for_its_turn() -> None:
    pair = Pair(window=8).up()
    heard: list[str] = []
    pair.hub.deliver = lambda name, values: heard.append(name)
    pair.hub._events.append(("writable", SCANNER))
    pair.hub.receive(forge(False, DATA, 0x31, data=b"\x01"), pair.now)
    assert heard == []
    assert [pair.hub.next_event(), pair.hub.next_event()] == [("writable", SCANNER), ("message", "show", (b"\x01",))]
    pair.hub.receive(forge(False, DATA, 0x31, sequence=1, data=b"\x02"), pair.now)
    assert heard == ["show"]


def test_a_held_channels_message_is_in_hand_before_it_is_handed_over() -> None:
    pair = Pair(window=8, held=(PRINTER,)).up()
    in_hand: list[int] = []

    def print_it(name: str, values: Any) -> None:
        in_hand.append(pair.hub.in_hand[PRINTER])
        pair.hub.grant(PRINTER)

    pair.hub.deliver = print_it
    for _ in range(30):
        assert pair.bridge.send("job_data", b"x")
        pair.advance(30)
    assert in_hand == [1] * 30


def test_what_a_job_needs_of_other_modules_is_the_same_here() -> None:
    assert link_module._DATA == DATA
    assert link_module._CONTROL == CONTROL
    assert BY_NAME["credit"].code == link_module._CREDIT


# -- counters and clocks that wrap -------------------------------------------------------------------------------------


@pytest.mark.parametrize("numbers", [0xFFF0, 0x7FF0])
def test_sequence_and_credit_go_over_their_ends(numbers: int) -> None:
    pair = Pair(window=8).up()
    for link in (pair.hub, pair.bridge):
        link._send_next = link._expected = link._acked = numbers
        for account in (link._sent_on,):
            account[:] = [(count + numbers) & 0xFFFF for count in account]
        link._limit_of_peer = [(limit + numbers) & 0xFFFF for limit in link._limit_of_peer]
        link._granted = [(limit + numbers) & 0xFFFF for limit in link._granted]
    pair.lose = losing([(numbers + number) & 0xFFFF for number in (3, 9, 17)])
    sent = fill(pair, 40)
    pair.advance(1000)
    assert pair.messages(False) == sent
    assert {"error_ack", "error_credit"}.isdisjoint(pair.hub.statistics.keys() | pair.bridge.statistics.keys())


@pytest.mark.parametrize("start_ms", [TICKS_MASK - 700, TICKS_MASK - 5, 0x20000000 - 300])
def test_nothing_happens_when_the_clock_wraps(start_ms: int) -> None:
    pair = Pair(start_ms=start_ms).up()
    pair.lose = losing([2, 5, 6, 11, 19])
    sent = fill(pair, 20)
    pair.advance(4000)
    assert pair.messages(False) == sent
    assert pair.bridge.is_up and pair.hub.is_up
    assert 0 <= (pair.bridge.round_trip_ms or 0) < 200


@pytest.mark.parametrize("back_ms", [1, 400, 3000, 3_600_000])
def test_a_clock_that_steps_back_stops_no_timer(back_ms: int) -> None:
    pair = Pair(start_ms=5_000_000).up()
    left = [1]
    pair.lose = lambda from_hub, frame: frame[0] == DATA and bool(left) and bool(left.pop())
    pair.bridge.send("job_data", b"lost")
    pair.carry(False)
    pair.advance(100)
    pair.now -= back_ms
    pair.advance(700)
    assert pair.messages(False) == [("job_data", b"lost")]
    pair.lose = lambda from_hub, frame: True
    pair.advance(1000)
    pair.now -= back_ms
    pair.advance(1600)
    assert not pair.hub.is_up and not pair.bridge.is_up
    hellos = len(pair.kinds_sent(True))
    pair.now -= back_ms
    pair.advance(1100)
    assert len(pair.kinds_sent(True)) >= hellos + 2


def test_a_clock_that_steps_forward_ends_the_session_at_worst() -> None:
    pair = Pair().up()
    pair.now += 100_000
    pair.advance(100)
    pair.new_bridge()
    pair.advance(1500)
    assert pair.hub.is_up and pair.bridge.is_up


def test_the_peers_clock_is_never_ahead_of_the_truth_and_is_asked_for_even_when_busy() -> None:
    pair = Pair(start_ms=50_000).up()
    pings = 0
    for _ in range(300):
        fill(pair, 4)
        pair.advance(100)
        told = pair.bridge.peer_clock_ms(pair.clock)
        assert told is not None and told <= pair.now
    pings = pair.kinds_sent(False).count(PING)
    assert 2 <= pings <= 4


def test_the_peers_clock_stays_behind_the_truth_when_ours_steps_back() -> None:
    pair = Pair(start_ms=50_000).up()
    pair.bridge.receive(b"", 20_000)
    told = pair.bridge.peer_clock_ms(20_100)
    assert told is not None and told <= 50_100


def test_the_peers_clock_is_unknown_until_it_is_told() -> None:
    pair = Pair()
    assert pair.bridge.peer_clock_ms(pair.now) is None
    pair.up()
    assert pair.bridge.peer_clock_ms(pair.now) == pair.now


def test_statistics_count_bytes_and_frames_each_way() -> None:
    pair = Pair().up()
    before = dict(pair.bridge.statistics)
    pair.bridge.send("job_data", b"x" * 100)
    coded = pair.bridge.data_to_send(pair.now)
    pair.hub.receive(coded, pair.now)
    assert pair.bridge.statistics["frames_out"] == before["frames_out"] + 1
    assert pair.bridge.statistics["bytes_out"] == before["bytes_out"] + len(coded)
    assert read(coded, False)[0][:3] == (DATA, JOB_DATA, SESSION)
    assert DRAWER < SCANNER < INDICATOR < PRINTER
