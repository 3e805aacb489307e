"""Status bytes: what a till reads is what the printer said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.escpos import status
from host_bridge.escpos.status import Answer, AnswerParser, PrinterStatus

statuses = st.builds(PrinterStatus, **{field: st.booleans() for field in PrinterStatus.__struct_fields__})


@given(statuses)
def test_asb_bytes_carry_the_whole_status(given_status: PrinterStatus) -> None:
    asb = status.to_asb(given_status)
    assert status.from_asb(asb) == given_status
    assert asb[0] & 0x93 == 0x10
    assert not any(byte & 0x90 for byte in asb[1:])


@pytest.mark.parametrize(
    "wrong", [b"", b"\x10\x00\x00", b"\x12\x00\x00\x00", b"\x10\x80\x00\x00", b"\x10\x00\x00\x00\x00"]
)
def test_other_bytes_are_refused_with_what_came(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=wrong.hex(" ") or "nothing"):
        status.from_asb(wrong)


@pytest.mark.parametrize(
    ("printer", "n", "answer"),
    [
        (PrinterStatus(), 1, 0x12),
        (PrinterStatus(online=False), 1, 0x1A),
        (PrinterStatus(drawer_pin3_high=True), 1, 0x16),
        (PrinterStatus(online=False, cover_open=True), 2, 0x16),
        (PrinterStatus(online=False, paper_end=True), 2, 0x32),
        (PrinterStatus(cutter_error=True), 2, 0x52),
        (PrinterStatus(cutter_error=True), 3, 0x1A),
        (PrinterStatus(unrecoverable=True), 3, 0x32),
        (PrinterStatus(auto_recoverable=True), 3, 0x52),
        (PrinterStatus(paper_near_end=True), 4, 0x1E),
        (PrinterStatus(paper_end=True), 4, 0x72),
        (PrinterStatus(paper_near_end=True, paper_end=True), 4, 0x7E),
        (PrinterStatus(paper_end=True), 99, 0x12),
    ],
)
def test_dle_eot_is_answered_as_the_manual_says(printer: PrinterStatus, n: int, answer: int) -> None:
    assert status.realtime_answer(printer, n) == bytes([answer])


@given(statuses, st.integers(min_value=0, max_value=255))
def test_every_answer_is_of_its_kind(printer: PrinterStatus, n: int) -> None:
    realtime, queued = status.realtime_answer(printer, n), status.queued_answer(printer, n)
    assert (len(realtime), status.kind_of(realtime[0])) == (1, "realtime")
    assert (len(queued), status.kind_of(queued[0])) == (1, "queued")


@pytest.mark.parametrize(
    ("printer", "n", "answer"),
    [
        (PrinterStatus(paper_near_end=True), 1, 0x03),
        (PrinterStatus(paper_end=True), 49, 0x0C),
        (PrinterStatus(drawer_pin3_high=True), 2, 0x01),
        (PrinterStatus(), 50, 0x00),
    ],
)
def test_gs_r_is_answered_as_the_manual_says(printer: PrinterStatus, n: int, answer: int) -> None:
    assert status.queued_answer(printer, n) == bytes([answer])


def test_a_client_is_told_only_of_changes_it_asked_for() -> None:
    ready, drawer = status.to_asb(PrinterStatus()), status.to_asb(PrinterStatus(drawer_pin3_high=True))
    paper = status.to_asb(PrinterStatus(paper_near_end=True))
    assert status.asb_changed(0xFF, ready, drawer)
    assert status.asb_changed(0x01, ready, drawer)
    assert not status.asb_changed(0x0E, ready, drawer)
    assert status.asb_changed(0x08, ready, paper)
    assert not status.asb_changed(0xFF, ready, ready)


def test_the_epos_word_of_a_ready_printer_that_has_printed() -> None:
    assert status.epos_status(PrinterStatus(), printed=True) == 0x0F000012
    word = status.epos_status(PrinterStatus(online=False, cover_open=True, paper_end=True), printed=False)
    assert word & 0x8 and word & 0x20 and word & 0x80000
    assert not word & status.EPOS_PRINTED
    assert status.epos_status(None, printed=True) & 0xB == 0x9, "no response, offline, not printed"


def test_an_identity_is_ascii_with_its_frame_and_never_longer_than_the_manual_allows() -> None:
    assert status.identity_answer("TM") == b"\x5fTM\x00"
    assert len(status.identity_answer("汉" * 200)) == 82


messages = st.one_of(
    statuses.map(lambda printer: Answer("asb", status.to_asb(printer))),
    statuses.map(lambda printer: Answer("realtime", status.realtime_answer(printer, 2))),
    statuses.map(lambda printer: Answer("queued", status.queued_answer(printer, 1))),
    st.text(alphabet="0123456789ABCDEF", min_size=4, max_size=4).map(
        lambda text: Answer("process_id", status.process_id_answer(text.encode()))
    ),
    st.text(alphabet="ABCDEF -./0123456789", max_size=80).map(
        lambda text: Answer("identity", status.identity_answer(text))
    ),
    st.sampled_from([Answer("flow", b"\x11"), Answer("flow", b"\x13"), Answer("other", b"\xff")]),
)


@given(st.lists(messages), st.integers(min_value=1, max_value=9))
def test_what_a_printer_sends_is_cut_into_its_messages_however_it_arrives(sent: list[Answer], piece: int) -> None:
    stream = b"".join(message.data for message in sent)
    parser = AnswerParser()
    got = [answer for i in range(0, len(stream), piece) for answer in parser.feed(stream[i : i + piece])]
    assert (got, parser.pending) == (sent, b"")


def test_flow_control_inside_a_message_does_not_break_it() -> None:
    assert AnswerParser().feed(b"\x10\x13\x00\x11\x00\x0f") == [
        Answer("flow", b"\x13"),
        Answer("flow", b"\x11"),
        Answer("asb", b"\x10\x00\x00\x0f"),
    ]


@given(st.binary(max_size=400))
def test_noise_neither_grows_the_parser_nor_gets_lost(noise: bytes) -> None:
    parser = AnswerParser()
    got = parser.feed(noise)
    assert len(parser.pending) < status.MAX_IDENTITY_BYTES
    assert sum(len(answer.data) for answer in got) + len(parser.pending) == len(noise)


def test_after_noise_the_next_asb_is_read_again() -> None:
    answers = AnswerParser().feed(b"\x10\xff\x10\x00\x00\x0f")
    assert answers[-1] == Answer("asb", b"\x10\x00\x00\x0f")
