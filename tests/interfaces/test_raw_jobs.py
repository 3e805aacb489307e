"""Where jobs begin and end on a raw connection, and what is no part of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.interfaces.raw_jobs import (
    MAX_FIRST_LINE_BYTES,
    Enquiry,
    FinishedJob,
    JobCollector,
    KickRequest,
    ProofRequest,
    Step,
    judge_first_bytes,
)

CUT = b"\x1dVA\x03"
RASTER_WITH_COMMANDS = b"\x1dv0\x00\x08\x00\x02\x00" + b"\x10\x04\x01\x1bp\x00\x19\xfa\x10\x14\x01\x00\x01\x1dr\x01"


def jobs(steps: list[Step]) -> list[bytes]:
    return [step.data for step in steps if isinstance(step, FinishedJob)]


def collect(data: bytes) -> tuple[list[Step], list[bytes]]:
    """Everything in one piece, then the end of the connection."""
    collector = JobCollector()
    steps = collector.feed(data)
    last = collector.finish()
    return steps, jobs(steps) + ([last.data] if last else [])


def test_a_connection_without_a_cut_is_one_job() -> None:
    assert collect(b"\x1b@hello\n") == ([], [b"\x1b@hello\n"])


def test_a_cut_ends_a_job_and_the_next_text_begins_one() -> None:
    assert collect(b"one\n" + CUT + b"two\n" + CUT)[1] == [b"one\n" + CUT, b"two\n" + CUT]


def test_what_leaves_no_mark_after_a_cut_belongs_to_the_job_just_ended() -> None:
    assert collect(b"one\n" + CUT + b"\x1b@\n\x1bd\x03")[1] == [b"one\n" + CUT + b"\x1b@\n\x1bd\x03"]


def test_settings_after_a_cut_belong_to_the_next_job_when_one_follows() -> None:
    assert collect(b"one\n" + CUT + b"\x1b@\x1bt\x10two\n")[1] == [b"one\n" + CUT, b"\x1b@\x1bt\x10two\n"]


@pytest.mark.parametrize(
    "data", [b"", bytes(100), b"\x1b@", b"\x1b=\x01", b"\x10\x04\x01", b"\x1da\xff\x1b@\x1dI\x43", b"\x1bp\x00\x19\xfa"]
)
def test_nothing_that_shows_is_no_job(data: bytes) -> None:
    assert collect(data)[1] == []


@pytest.mark.parametrize("data", [b"\n", CUT, b"\x1bi", b"x", b"\x1bd\x05", b"\x1cp\x01\x00"])
def test_moving_paper_or_printing_is_a_job(data: bytes) -> None:
    assert collect(data)[1] == [data]


def test_enquiries_and_kicks_are_taken_out_of_the_job() -> None:
    steps, found = collect(
        b"a\x10\x04\x01b\x1bp\x00\x32\x32c\x1da\x0fd\x1dI\x43e\x10\x14\x07\x01f\x10\x14\x01\x01\x02\n"
    )
    assert found == [b"abcdef\n"]
    assert [type(step) for step in steps] == [Enquiry, KickRequest, Enquiry, Enquiry, Enquiry, KickRequest]


def test_inside_a_raster_they_are_picture() -> None:
    assert collect(RASTER_WITH_COMMANDS) == ([], [RASTER_WITH_COMMANDS])


@pytest.mark.parametrize(
    ("data", "kick"),
    [
        (b"\x1bp\x00\x19\xfa", KickRequest(1, 50)),
        (b"\x1bp0\x19\xfa", KickRequest(1, 50)),
        (b"\x1bp\x01\x00\x00", KickRequest(2, 10)),
        (b"\x1bp1\xff\xff", KickRequest(2, 510)),
        (b"\x10\x14\x01\x00\x01", KickRequest(1, 100)),
        (b"\x10\x14\x01\x01\x08", KickRequest(2, 510)),
    ],
)
def test_a_kick_names_its_drawer_and_its_pulse_within_the_solenoids_limits(data: bytes, kick: KickRequest) -> None:
    assert collect(data)[0] == [kick]


@pytest.mark.parametrize("data", [b"\x1bp\x05\x19\xfa", b"\x10\x14\x02\x01\x08", b"\x10\x05\x02", b"\x1b=\x02"])
def test_what_would_harm_other_tills_is_neither_done_nor_passed_on(data: bytes) -> None:
    assert collect(b"a" + data + b"b") == ([], [b"ab"])


def test_clearing_the_buffer_drops_what_was_not_yet_a_job() -> None:
    steps, found = collect(b"old\n\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08new\n")
    assert found == [b"new\n"]
    assert [type(step) for step in steps] == [Enquiry]


def test_a_proof_asked_for_last_goes_with_the_job() -> None:
    collector = JobCollector()
    assert collector.feed(b"text\n\x1dr\x01") == []
    assert collector.proof_waiting
    job = collector.finish()
    assert job is not None
    assert (job.data, [proof.data for proof in job.proofs]) == (b"text\n", [b"\x1dr\x01"])


def test_a_proof_after_a_cut_goes_with_the_job_just_ended() -> None:
    steps = JobCollector().feed(b"one" + CUT + b"\x1d(H\x06\x0000abcdtwo")
    assert isinstance(steps[0], FinishedJob)
    assert [proof.name for proof in steps[0].proofs] == ["GS ( H"]


def test_a_proof_with_nothing_before_it_is_asked_at_once() -> None:
    assert [type(step) for step in JobCollector().feed(b"\x1b@\x1dr\x01")] == [ProofRequest]


def test_a_truncated_last_command_is_dropped_and_the_rest_kept() -> None:
    collector = JobCollector()
    collector.feed(b"text\n\x1dv0\x00\x08\x00\x02\x00half")
    assert collector.inside_command
    assert "GS v 0 at byte 5" in collector.unfinished
    assert collector.finish() == FinishedJob(b"text\n", ())
    assert collector.feed(b"next\n") == []
    assert collector.finish() == FinishedJob(b"next\n", ())


PIECES = [
    b"text ",
    "汉字".encode("gb18030"),
    b"\n",
    CUT,
    b"\x1b@",
    b"\x1bp\x00\x19\xfa",
    b"\x10\x04\x01",
    b"\x1dr\x01",
    b"\x1da\xff",
    bytes(9),
    RASTER_WITH_COMMANDS,
    b"\x1dkI\x03{B1",
    b"\x1b\x1b",
]


def settled(steps: list[Step], last: FinishedJob | None) -> tuple[list[Step], list[FinishedJob]]:
    done = [step for step in steps if isinstance(step, FinishedJob)] + ([last] if last else [])
    plain = [FinishedJob(job.data, tuple(proof._replace(offset=0) for proof in job.proofs)) for job in done]
    return [step for step in steps if isinstance(step, KickRequest)], plain


@given(st.lists(st.sampled_from(PIECES), max_size=15).map(b"".join), st.lists(st.integers(0, 120), max_size=10))
def test_how_the_network_cuts_the_stream_changes_no_job_and_no_kick(stream: bytes, cuts: list[int]) -> None:
    whole, pieces = JobCollector(), JobCollector()
    expected = settled(whole.feed(stream), whole.finish())
    steps: list[Step] = []
    for begin, end in pairwise([0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]):
        steps += pieces.feed(stream[begin:end])
    assert settled(steps, pieces.finish()) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST /print HTTP/1.1\r\n\r\n\x1bp\x00\x19\xfa",
        b"OPTIONS * HTTP/1.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM",
        b"frob /x HTTP/1.1\r\n",
        b"GET / HTTP/1",
        b"GET /" + b"a" * MAX_FIRST_LINE_BYTES,
        b"\x16\x03\x01\x02\x00\x01",
        b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
    ],
)
def test_a_browser_is_known_however_its_first_bytes_arrive(data: bytes) -> None:
    verdicts = [judge_first_bytes(data[:length], final=False) for length in range(len(data) + 1)]
    assert verdicts[-1] == "web"
    assert set(verdicts) == {None, "web"}, "never taken for a till on the way"


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b@hello",
        b"GET 1 FREE\n",
        b"Hello world\n",
        b"\x10\x04\x01",
        b"GETTING",
        b"\x00\x00\x00\x10\x04\x01",
        b"\x1b%\x01",
    ],
)
def test_a_till_is_not_taken_for_a_browser(data: bytes) -> None:
    assert judge_first_bytes(data, final=True) == "job"


@pytest.mark.parametrize(
    "data", [b"\x10\x04\x01", b"\x1b@", b"\x1da\xff", b"\x1bp\x00\x19\xfa", b"\x1dI\x43", b"\x1dr\x01"]
)
def test_a_till_that_begins_with_a_command_waits_for_nothing(data: bytes) -> None:
    assert judge_first_bytes(data, final=False) == "job"


def test_a_document_is_known_by_its_first_bytes() -> None:
    assert judge_first_bytes(b"%PDF-1.7", final=False) == "document"
    assert judge_first_bytes(b"%P", final=False) is None
    assert judge_first_bytes(b"\x1b%-12345X@PJL", final=False) == "document"


@given(st.binary(max_size=64))
def test_a_final_verdict_is_always_given_and_an_early_one_never_changes(data: bytes) -> None:
    assert judge_first_bytes(data, final=True) is not None
    for length in range(len(data)):
        early = judge_first_bytes(data[:length], final=False)
        if early is not None:
            assert judge_first_bytes(data, final=False) == early
            break
