"""How sessions begin and end, and what frames of another life can do: nothing."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hublink import hello as codec
from hublink import messages
from hublink.frame import ACK, CLOSE, DATA, HELLO, NAK, OPEN, PING, PONG
from hublink.link import BRIDGE, HUB, TICKS_MASK, Link
from hublink.messages import CONTROL, PRINTER, SCANNER
from tests.hublink.pair import BOOT_ID, SESSION, Pair, forge, hello, profile, read

CREDIT = b"\x10\x04\x08\x08\x08\x08"


def hello_frame(nonce: int, boot_id: bytes = BOOT_ID, credit: bytes = CREDIT, **changes: Any) -> bytes:
    said = hello(boot_id=boot_id, **changes) | {"nonce": nonce, "dictionary": 1, "credit": credit}
    return forge(True, HELLO, session=0, data=codec.pack_hello(said))


def open_frame(nonce: int, boot_id: bytes = BOOT_ID, session: int = SESSION, protocol: int = 1) -> bytes:
    return forge(False, OPEN, session=session, data=codec.pack_open(nonce, boot_id, CREDIT, protocol))


def test_hello_open_and_an_answer_make_a_session() -> None:
    pair = Pair(name="till 7")
    pair.pump()
    assert pair.hub.is_up and pair.bridge.is_up
    assert pair.kinds_sent(True)[:2] == [HELLO, PONG]
    assert pair.kinds_sent(False)[0] == OPEN
    (up,) = [event for event in pair.bridge_events if event[0] == "up"]
    assert up[1]["name"] == "till 7"
    assert up[1]["dictionary"] == messages.DICTIONARY_HASH


def test_the_bridge_says_nothing_before_it_has_heard_a_hello() -> None:
    bridge = Link(BRIDGE, profile(), session=SESSION)
    bridge.start(0)
    bridge.receive(b"MicroPython v1.28 on 2026-01-01; Raspberry Pi Pico with RP2040\r\n>>> ", 5)
    for now in range(0, 5000, 100):
        bridge.handle_timer(now)
        assert bridge.data_to_send(now) == b""
    assert bridge.next_timer(5000) is None


def test_the_hub_repeats_its_hello_every_half_second_and_for_ever() -> None:
    pair = Pair()
    pair.lose = lambda from_hub, frame: True
    pair.advance(60_000)
    assert 119 <= pair.kinds_sent(True).count(HELLO) <= 121
    assert pair.kinds_sent(False) == []


@pytest.mark.parametrize("lost", [HELLO, OPEN, PONG])
def test_a_lost_frame_of_the_opening_costs_one_beacon(lost: int) -> None:
    pair = Pair()
    left = [lost]

    def lose(from_hub: bool, frame: Any) -> bool:
        if frame[0] in left:
            left.remove(frame[0])
            return True
        return False

    pair.lose = lose
    pair.advance(700)
    assert pair.hub.is_up and pair.bridge.is_up


def test_each_opening_has_a_nonce_of_its_own() -> None:
    pair = Pair().up()
    pair.hub.receive(forge(False, CLOSE), pair.now)
    (first,) = read(pair.hub.data_to_send(pair.now), True)
    pair.hub.receive(open_frame(codec.unpack_hello(first[5])["nonce"], session=9), pair.now)
    pair.hub.receive(forge(False, CLOSE, session=9), pair.now)
    (second,) = read(pair.hub.data_to_send(pair.now), True)
    assert first[0] == second[0] == HELLO
    assert first[5] != second[5]


def test_an_open_of_an_earlier_life_is_not_taken() -> None:
    pair = Pair()
    for stale in (open_frame(nonce=0), open_frame(nonce=2), open_frame(nonce=1, boot_id=b"boot-old")):
        pair.hub.receive(stale, pair.now)
    assert not pair.hub.is_up
    assert pair.hub.statistics["error_session"] == 3


def test_an_open_for_another_session_does_not_end_the_present_one() -> None:
    pair = Pair().up()
    pair.hub.receive(open_frame(nonce=1, session=SESSION + 1), pair.now)
    pair.bridge.send("job_data", b"still here")
    pair.pump()
    assert pair.messages(False) == [("job_data", b"still here")]


def test_an_open_that_comes_twice_is_answered_and_harmless() -> None:
    pair = Pair().up()
    pair.bridge.send("job_data", b"one")
    pair.pump()
    pair.hub.receive(open_frame(nonce=1), pair.now)
    pair.bridge.send("job_data", b"two")
    pair.pump()
    assert pair.messages(False) == [("job_data", b"one"), ("job_data", b"two")]


def test_an_echo_of_an_earlier_lifes_hello_is_not_taken_for_the_present_hub() -> None:
    """It comes between the true HELLO and the hub's answer to the OPEN: the cursors would be those of another life."""
    pair = Pair(job_received_bytes=480)
    assert pair.carry(True)  # HELLO
    assert pair.carry(False)  # OPEN, and the hub is up
    pair.bridge.receive(hello_frame(nonce=9, boot_id=b"boot-old", job_received_bytes=9999), pair.now)
    pair.advance(3000)
    assert pair.hub.is_up and pair.bridge.is_up
    ups = [event[1] for event in pair.bridge_events if event[0] == "up"]
    assert [up["job_received_bytes"] for up in ups] == [480]


def test_a_flood_of_strange_hellos_does_not_end_a_session_that_lives() -> None:
    pair = Pair().up()
    for _ in range(200):
        pair.advance(10)
        pair.bridge.receive(hello_frame(nonce=9, boot_id=b"boot-old"), pair.clock)
        pair.bridge.receive(hello_frame(nonce=8), pair.clock)
    assert pair.bridge.is_up and pair.hub.is_up
    assert pair.bridge.statistics["strange_hellos"] == 400
    assert pair.bridge.statistics["hellos"] == 401
    assert pair.kinds_sent(False).count(PING) < 250


@pytest.mark.parametrize("nonces", [range(1), range(500)], ids=["one beacon again and again", "each another"])
def test_a_flood_of_hellos_before_a_session_is_counted_and_answered_once_each_at_most(nonces: range) -> None:
    bridge = Link(BRIDGE, profile(), session=SESSION)
    bridge.start(0)
    answers = 0
    for number in range(500):
        bridge.receive(hello_frame(nonce=nonces[number % len(nonces)]), number // 50)
        while bridge.data_to_send(number // 50):
            answers += 1
    assert bridge.statistics["hellos"] == 500
    assert answers <= 500
    assert not bridge._events


def test_a_flood_of_the_sessions_own_hello_is_counted_and_leaves_it_up() -> None:
    pair = Pair()
    assert pair.carry(True)
    ((_, first),) = pair.sent
    pair.up()
    for _ in range(300):
        pair.bridge.receive(forge(True, HELLO, session=0, data=first[5]), pair.clock)
    pair.advance(100)
    assert pair.bridge.is_up and pair.hub.is_up
    assert pair.bridge.statistics["hellos"] == 301
    assert "strange_hellos" not in pair.bridge.statistics


@pytest.mark.parametrize(("boot_id", "reason"), [(b"boot-two", "hub_restarted"), (BOOT_ID, "hub_lost_session")])
def test_the_second_beacon_of_a_hub_that_answers_nothing_else_ends_the_session(boot_id: bytes, reason: str) -> None:
    pair = Pair().up()
    pair.hub = Link(HUB, profile(), hello=lambda: hello(boot_id=boot_id))
    pair.bridge.receive(hello_frame(nonce=2, boot_id=boot_id), pair.now)
    pair.bridge.receive(hello_frame(nonce=2, boot_id=boot_id), pair.now + 500)
    pair.drain()
    assert pair.bridge_events[-1] == ("down", reason)


def test_the_beacon_of_the_present_session_is_answered_with_its_open_again() -> None:
    pair = Pair().up()
    pair.bridge.receive(hello_frame(nonce=1), pair.now)
    assert read(pair.bridge.data_to_send(pair.now), False)[0][0] == OPEN
    assert pair.bridge.is_up


@pytest.mark.parametrize(("versions", "reason"), [(b"\x02\x05", "bridge_too_old"), (b"\x00\x00", "firmware_too_old")])
def test_another_protocol_version_says_which_side_must_be_updated(versions: bytes, reason: str) -> None:
    pair = Pair()
    pair.bridge.receive(forge(True, HELLO, session=0, data=versions + b"who knows"), pair.now)
    pair.drain()
    assert pair.bridge_events == [("down", reason)]
    assert pair.bridge.statistics["error_version"] == 1
    assert pair.bridge.data_to_send(pair.now) == b""


def test_an_open_for_another_protocol_version_is_named_and_not_taken() -> None:
    pair = Pair()
    for length in (1, 17, 40):
        pair.hub.receive(forge(False, OPEN, data=(b"\x02" + bytes(60))[:length]), pair.now)
    assert not pair.hub.is_up
    assert pair.hub.statistics["error_version"] == 3


def test_a_bridge_answers_a_newer_hub_in_the_highest_version_both_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair()
    monkeypatch.setattr(codec, "PROTOCOL_MAX", 3)
    said = hello() | {"nonce": 1, "dictionary": 1, "credit": CREDIT}
    payload = bytearray(codec.pack_hello(said))
    payload[1] = 2
    pair.bridge.receive(forge(True, HELLO, session=0, data=bytes(payload)), pair.now)
    (answer,) = read(pair.bridge.data_to_send(pair.now), False)
    assert codec.unpack_open(answer[5])[0] == 2


def test_a_new_bridge_ends_the_session_that_the_hub_had_with_the_last_one() -> None:
    pair = Pair().up()
    pair.new_bridge()
    pair.advance(1100)
    assert pair.hub.is_up and pair.bridge.is_up
    assert ("down", "closed_by_peer") in pair.hub_events


def test_close_ends_it_on_both_sides() -> None:
    pair = Pair().up()
    pair.bridge.close(pair.now)
    pair.carry(False)
    assert not pair.hub.is_up
    pair.drain()
    assert ("down", "closed") in pair.bridge_events
    assert ("down", "closed_by_peer") in pair.hub_events
    assert pair.bridge.data_to_send(pair.now) == b""


def test_a_session_that_hears_nothing_for_two_seconds_is_down_and_the_hub_says_hello_again() -> None:
    pair = Pair().up()
    pair.lose = lambda from_hub, frame: True
    pair.advance(1900)
    assert pair.hub.is_up and pair.bridge.is_up
    pair.advance(600)
    assert not pair.hub.is_up and not pair.bridge.is_up
    assert ("down", "silent") in pair.hub_events and ("down", "silent") in pair.bridge_events
    assert pair.kinds_sent(True)[-1] == HELLO


def test_an_idle_session_lives_on() -> None:
    pair = Pair().up()
    pair.advance(120_000)
    assert pair.hub.is_up and pair.bridge.is_up
    assert pair.hub.statistics["retransmitted"] == pair.bridge.statistics["retransmitted"] == 0


def test_noise_is_no_sign_of_life() -> None:
    pair = Pair().up()
    pair.lose = lambda from_hub, frame: True
    for _ in range(30):
        pair.advance(100)
        pair.bridge.receive(b"\x7e\x01\x02\x03\x7e", pair.clock)
        pair.bridge.receive(forge(True, PING, session=SESSION + 5, data=b"abcd"), pair.clock)
    assert ("down", "silent") in pair.bridge_events


@given(
    st.lists(
        st.tuples(st.sampled_from([DATA, ACK, NAK, PING, PONG, CLOSE]), st.integers(0, 255), st.integers(0, 0xFFFF)),
        max_size=20,
    ),
    st.integers(0, 0xFFFF).filter(lambda session: session != SESSION),
    st.binary(max_size=20),
)
def test_frames_of_another_session_do_nothing(frames: list[tuple[int, int, int]], session: int, data: bytes) -> None:
    pair = Pair().up()
    for kind, code, number in frames:
        pair.hub.receive(forge(False, kind, code, session, number, number, data), pair.now)
        pair.bridge.receive(forge(True, kind, code, session, number, number, data), pair.now)
    assert pair.hub.statistics.get("error_session", 0) == len(frames)
    pair.bridge.send("job_data", b"to the hub")
    pair.hub.send("scan", 1, 0, 0, b"to the bridge")
    pair.pump()
    assert pair.messages(False) == [("job_data", b"to the hub")]
    assert pair.messages(True) == [("scan", 1, 0, 0, b"to the bridge")]


def test_an_echo_of_its_own_frames_is_harmless() -> None:
    """A loop-back plug, or a half-duplex line."""
    pair = Pair().up()
    pair.hub.send("scan", 1, 0, 0, b"4006381333931")
    coded = pair.hub.data_to_send(pair.now)
    for _ in range(10):
        pair.hub.receive(coded, pair.now)
    assert pair.hub.statistics["error_echo"] == 10
    assert pair.messages(False) == []
    alone = Link(HUB, profile(), hello=hello)
    alone.start(0)
    alone.receive(alone.data_to_send(0), 0)
    assert not alone.is_up


def test_what_was_taken_and_not_read_dies_with_the_session() -> None:
    pair = Pair().up()
    pair.reading = False
    pair.bridge.send("job_data", b"never read")
    pair.pump()
    pair.hub.receive(forge(False, CLOSE), pair.now)
    pair.reading = True
    pair.drain()
    assert pair.messages(False) == []


def test_what_was_queued_in_one_session_is_not_sent_in_the_next() -> None:
    pair = Pair().up()
    pair.bridge.send("kick", 1, 1, 100, 0)
    pair.hub.send("scan", 1, 0, 0, b"old")
    pair.hub.receive(forge(False, CLOSE), pair.now)
    pair.new_bridge()
    pair.advance(1100)
    assert pair.hub.is_up and pair.bridge.is_up
    assert pair.messages(False) == pair.messages(True) == []


def test_nothing_is_sent_or_promised_while_down() -> None:
    pair = Pair()
    assert not pair.hub.send("scan", 1, 0, 0, b"x")
    assert pair.hub.room(SCANNER) == pair.bridge.room(PRINTER) == 0


def test_a_link_that_comes_and_goes_cannot_fill_an_owner_that_holds_what_it_read() -> None:
    """The printer is out of paper and its owner grants nothing, while the cable is loose."""
    pair = Pair(held=(PRINTER,)).up()
    for turn in range(20):
        while pair.bridge.room(PRINTER):
            pair.bridge.send("job_data", b"x")
        pair.pump()
        pair.hub.receive(forge(False, CLOSE, session=pair.bridge._session), pair.clock)
        pair.bridge = Link(BRIDGE, profile(), session=200 + turn)
        pair.bridge.start(pair.clock)
        pair.advance(600)
        assert pair.bridge.is_up
    held = len(pair.messages(False))
    assert held == CREDIT[PRINTER]
    for _ in range(held):
        pair.hub.grant(PRINTER)
    pair.pump()
    assert pair.bridge.room(PRINTER) == CREDIT[PRINTER]


def test_granting_more_than_was_read_gives_nothing() -> None:
    pair = Pair(held=(PRINTER,)).up()
    pair.hub.grant(PRINTER, 1000)
    pair.pump()
    assert pair.bridge.room(PRINTER) == CREDIT[PRINTER]


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_any_bytes_leave_a_session_alive_and_bounded(noise: list[bytes]) -> None:
    pair = Pair().up()
    for data in noise:
        pair.hub.receive(data, pair.now)
        pair.bridge.receive(data, pair.now)
    pair.hub.receive(b"\x7e", pair.now)
    pair.bridge.send("job_data", b"after all")
    pair.pump()
    assert pair.messages(False) == [("job_data", b"after all")]
    assert len(pair.hub._events) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(range(8)),
            st.integers(0, 255),
            st.integers(0, 12),
            st.integers(0, 12),
            st.binary(max_size=30),
        ),
        max_size=60,
    )
)
def test_any_valid_frames_of_the_session_are_harmless(frames: list[tuple[int, int, int, int, bytes]]) -> None:
    """The peer is a liar that knows the session. Nothing crashes, grows, or is handed on that can't be read."""
    pair = Pair().up()
    for kind, code, sequence, ack, data in frames:
        for link, from_hub in ((pair.hub, False), (pair.bridge, True)):
            link.receive(forge(from_hub, kind, code, SESSION, sequence, ack, data), pair.now)
            while link.data_to_send(pair.now):
                pass
            assert len(link._events) <= 128
            assert link.next_timer(pair.now) is None or link.next_timer(pair.now) >= 0
    pair.drain()
    for event in pair.hub_events + pair.bridge_events:
        assert event[0] in ("up", "down", "writable", "text", "message")


def test_the_trace_keeps_the_last_hundred_frames_each_way_in_their_order() -> None:
    pair = Pair().up()
    for number in range(300):
        pair.bridge.send("job_data", b"%d" % number)
        pair.advance(7)
    last = sorted(
        at for side in (True, False) for at in [at for at, sent in enumerate(pair.sent) if sent[0] == side][-100:]
    )
    carried = [("in" if pair.sent[at][0] else "out", *pair.sent[at][1][1:5]) for at in last]
    assert len(last) == 200
    assert [(frame[1], *frame[3:7]) for frame in pair.bridge.trace] == carried
    assert Pair().up().hub.trace  # the hub keeps one only if asked to, as here


def test_a_flood_from_one_side_leaves_what_was_said_to_it_in_the_trace() -> None:
    pair = Pair().up()
    said = [frame for frame in pair.bridge.trace if frame[1] == "out"]
    for number in range(1000):
        pair.bridge.receive(forge(True, ACK, session=9, sequence=number), pair.clock)
    trace = pair.bridge.trace
    assert said and [frame for frame in trace if frame[1] == "out"] == said
    assert [frame[5] for frame in trace if frame[1] == "in"] == list(range(900, 1000))


def test_a_clock_that_begins_again_leaves_the_trace_in_its_order() -> None:
    pair = Pair(start_ms=TICKS_MASK - 200).up()
    for _ in range(10):
        pair.bridge.send("job_data", b"tea")
        pair.advance(100)
    times = [frame[0] for frame in pair.bridge.trace]
    assert times[0] > 1000 > times[-1]
    assert len([1 for before, after in pairwise(times) if after < before]) == 1
    assert Link(HUB, profile(), hello=hello, trace_frames=0).trace == []


def test_control_is_taken_while_the_owner_reads_and_held_off_while_it_does_not() -> None:
    pair = Pair().up()
    pair.reading = False
    for number in range(300):
        pair.hub.send("faults", struct.pack("<H", number))
        pair.pump()
        pair.advance(20)
    assert len(pair.bridge._events) <= 80
    pair.reading = True
    pair.advance(5000)
    told = pair.messages(True)
    assert told == [("faults", struct.pack("<H", number)) for number in range(len(told))]
    assert len(told) > 80 and pair.bridge.is_up
    assert pair.hub.room(CONTROL) > 0
