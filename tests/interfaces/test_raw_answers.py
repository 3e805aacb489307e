"""What a printer would answer: status, identity, proof of printing. Over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from host_bridge.escpos.status import READY, UNREACHABLE, PrinterStatus, from_asb, to_asb
from host_bridge.interfaces.raw_client import RawLimits
from host_bridge.journal.records import JobState
from tests.interfaces.fake_bridge import FakeBridge
from tests.interfaces.raw_till import CUT, JOB, Start, connect

# --- answers


async def test_an_enquiry_is_answered_with_exactly_one_byte(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    bridge.printing.set_status(PrinterStatus(online=False, paper_end=True, cover_open=True))
    for n, answer in ((1, 0x1A), (2, 0x36), (3, 0x12), (4, 0x72)):
        await till.send(b"\x10\x04" + bytes([n]))
        async with asyncio.timeout(30):
            assert await till.reader.read(100) == bytes([answer])
    await till.close()


async def test_enquiries_in_the_middle_of_a_job_are_answered_and_not_printed(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    await till.send(b"\x1b@first\n\x10\x04\x01")
    assert await till.read(1) == b"\x12"
    await till.send(b"second\n" + CUT)
    await bridge.printing.until(lambda: bridge.printing.submitted == [b"\x1b@first\nsecond\n" + CUT])
    await till.close()


async def test_while_nobody_knows_the_status_the_printer_is_offline_not_silent(
    bridge: FakeBridge, start: Start
) -> None:
    raw = await start()
    bridge.printing.set_status(None)
    till = await connect(raw)
    await till.send(b"\x10\x04\x01")
    assert await till.read(1) == b"\x1a"
    await till.send(b"\x1da\x0f")
    assert from_asb(await till.read(4)) == UNREACHABLE
    await till.close()


async def test_asb_comes_at_once_and_at_each_change(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    await till.send(b"\x1da\xff")
    assert from_asb(await till.read(4)) == READY
    for printer in (PrinterStatus(paper_near_end=True), PrinterStatus(online=False, paper_end=True), READY):
        bridge.printing.set_status(printer)
        assert from_asb(await till.read(4)) == printer
    await till.send(b"\x1da\x00")
    await till.send(b"\x10\x04\x01")
    assert await till.read(1) == b"\x12"
    bridge.printing.set_status(PrinterStatus(cover_open=True))
    await till.send(b"\x10\x04\x02")
    assert await till.read(1) == b"\x16", "no ASB after GS a 0"
    await till.close()


@pytest.mark.parametrize("pieces", [[b"\x1da\xff\x10\x04\x01"], [b"\x1da\xff", b"\x10\x04\x01"]])
async def test_the_answer_to_an_enquiry_is_never_glued_to_asb(start: Start, pieces: list[bytes]) -> None:
    raw = await start(RawLimits(asb_delay_ms=50, gap_ms=50))
    till = await connect(raw)
    await till.send(*pieces)
    async with asyncio.timeout(30):
        assert await till.reader.read(100) == b"\x12"
        assert await till.reader.read(100) == to_asb(READY)
    await till.close()


async def test_a_status_change_during_enquiries_stays_apart_from_the_answers(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    await till.send(b"\x1da\xff")
    assert await till.read(4) == to_asb(READY)
    changed = PrinterStatus(paper_near_end=True)
    for _ in range(5):
        await till.send(b"\x10\x04\x01")
        bridge.printing.set_status(changed)
        async with asyncio.timeout(30):
            assert await till.reader.read(100) == b"\x12"
    assert await till.read(4) == to_asb(changed)
    await till.close()


async def test_identity_and_asb_by_hand(start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    await till.send(b"\x1dI\x42")
    assert await till.read(12) == b"\x5fCOUNTERHUB\x00"
    await till.send(b"\x1dI\x43")
    assert (await till.read(19)).startswith(b"\x5fTM-T88")
    await till.send(b"\x10\x14\x07\x01")
    assert from_asb(await till.read(4)) == READY
    await till.close()


# --- proof of printing


@pytest.mark.parametrize("job", [b"\x1b@text\n\x1dr\x01", b"\x1b@text\n" + CUT + b"\x1dr\x01"])
async def test_proof_of_printing_comes_only_when_the_job_is_printed(
    bridge: FakeBridge, start: Start, job: bytes
) -> None:
    raw = await start()
    bridge.printing.print_at_once = False
    till = await connect(raw)
    await till.send(job)
    await bridge.printing.until(lambda: bridge.printing.submitted == [job[:-3]])
    await till.send(b"\x10\x04\x01")
    assert await till.read(1) == b"\x12", "the real-time answer overtakes, the proof waits"
    bridge.printing.end(1, JobState.PRINTED)
    assert await till.read(1) == b"\x00"
    await till.close()


@pytest.mark.parametrize("state", [JobState.UNCONFIRMED, JobState.FAILED, JobState.CANCELLED])
async def test_without_proof_the_connection_is_closed_and_no_byte_sent(
    bridge: FakeBridge, start: Start, state: JobState
) -> None:
    raw = await start()
    bridge.printing.print_at_once = False
    till = await connect(raw)
    await till.send(b"\x1b@text\n\x1dr\x01")
    await bridge.printing.until(lambda: len(bridge.printing.submitted) == 1)
    bridge.printing.end(1, state)
    assert await till.ended()


async def test_proof_asked_for_after_the_job_went_waits_for_that_job(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    bridge.printing.print_at_once = False
    till = await connect(raw)
    await till.send(JOB)
    await bridge.printing.until(lambda: len(bridge.printing.submitted) == 1)
    await till.send(b"\x1dr\x01\x10\x04\x01")
    assert await till.read(1) == b"\x12"
    bridge.printing.end(1, JobState.PRINTED)
    assert await till.read(1) == b"\x00"
    await till.close()


async def test_a_process_id_is_answered_as_the_printer_would(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    await till.send(JOB + b"\x1d(H\x06\x0000AB12")
    assert await till.read(7) == b"\x37\x22AB12\x00"
    assert bridge.printing.submitted == [JOB], "the id is ours to answer: the bridge asks the printer with its own"
    await till.close()


async def test_a_queued_status_question_with_no_job_is_answered_from_the_status(
    bridge: FakeBridge, start: Start
) -> None:
    raw = await start()
    bridge.printing.set_status(PrinterStatus(paper_near_end=True))
    till = await connect(raw)
    await till.send(b"\x1dr\x01")
    assert await till.read(1) == b"\x03"
    await till.close()


async def test_a_client_that_asks_for_proof_without_end_is_ended(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    bridge.printing.print_at_once = False
    till = await connect(raw)
    await till.send(JOB)
    await bridge.printing.until(lambda: len(bridge.printing.submitted) == 1)
    await till.send(b"\x1dr\x01" * 100)
    assert await till.ended()


async def test_after_a_half_close_ours_follows_once_the_job_is_final(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    bridge.printing.print_at_once = False
    till = await connect(raw)
    await till.send(b"\x1da\xff" + b"\x1b@receipt\n")
    assert await till.read(4) == to_asb(READY)
    till.half_close()
    await bridge.printing.until(lambda: bridge.printing.submitted == [b"\x1b@receipt\n"])
    paper_out = PrinterStatus(online=False, paper_end=True)
    bridge.printing.set_status(paper_out)
    assert await till.read(4) == to_asb(paper_out), "the side channel still speaks"
    bridge.printing.end(1, JobState.PRINTED)
    assert await till.read_to_end() == b""


async def test_proof_is_sent_before_the_close_that_follows_a_half_close(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    await till.send(b"\x1b@receipt\n\x1dr\x01")
    till.half_close()
    assert await till.read_to_end() == b"\x00"


async def test_the_wait_for_a_final_state_has_a_deadline(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(final_ms=50))
    bridge.printing.print_at_once = False
    till = await connect(raw)
    await till.send(JOB)
    till.half_close()
    assert await till.ended()
