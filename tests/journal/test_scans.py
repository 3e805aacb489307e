"""A scan is kept once, with its exact bytes, and settled once."""

from __future__ import annotations

import pytest

from host_bridge.journal import ScanState
from tests.journal.bench import NOON, scan


async def test_a_scan_that_the_hub_repeats_is_kept_once(journal):
    first, new = await scan(journal, 12)
    assert new and (first.sequence, first.state, first.data) == (1, ScanState.WAITING, "4006381333931")
    assert await scan(journal, 12, raw=b"other") == (first, False)
    for hub_id, boot_id in (("hub", "boot 2"), ("hub 2", "boot")):
        other, new = await journal.add_scan(hub_id, boot_id, 12, b"1", None, None, True, NOON)
        assert new and (other.repeat, other.symbology, other.check_digit_ok) == (True, None, None)
    assert [s.sequence for s in await journal.scans_after(0, 10)] == [1, 2, 3], "a repeated scan takes no number"


@pytest.mark.parametrize(
    ("raw", "text"), [("茶".encode(), "茶"), (b"\xa3\xff", "£ÿ"), (b"", ""), (b"01\x1d\x0010", "01\x1d\x0010")]
)
async def test_the_exact_bytes_of_a_scan_are_kept_beside_its_text(journal, raw, text):
    kept, _ = await scan(journal, 1, raw=raw)
    assert (kept.raw, kept.data) == (raw, text)
    assert await journal.scans_after(0, 1) == [kept]


async def test_the_newest_scans_are_listed_oldest_first_whatever_their_state(journal):
    assert await journal.newest_scans(5) == []
    for number in range(4):
        await scan(journal, number)
    await journal.settle_scan(3, ScanState.DELIVERED)
    found = await journal.newest_scans(2)
    assert [(s.sequence, s.state) for s in found] == [(3, "delivered"), (4, "waiting")]
    assert len(await journal.newest_scans(10**30)) == 4


async def test_a_scan_is_settled_once(journal):
    for number in range(3):
        await scan(journal, number)
    assert await journal.settle_scan(2, ScanState.DELIVERED)
    assert not await journal.settle_scan(2, ScanState.EXPIRED)
    assert not await journal.settle_scan(99, ScanState.DELIVERED)
    assert [s.sequence for s in await journal.waiting_scans()] == [1, 3]
    assert [(s.sequence, s.state) for s in await journal.scans_after(1, 10)] == [(2, "delivered"), (3, "waiting")]
    with pytest.raises(ValueError, match="settled"):
        await journal.settle_scan(1, ScanState.WAITING)


async def test_old_scans_expire_and_so_does_one_from_before_the_clock_was_set_back(journal):
    await scan(journal, 1, read_at=NOON - 11)
    await scan(journal, 2, read_at=NOON - 9)
    await scan(journal, 3, read_at=NOON + 3600)
    await scan(journal, 4, read_at=NOON - 60)
    await journal.settle_scan(4, ScanState.DELIVERED)
    expired = await journal.expire_scans(NOON - 10)
    assert [(s.sequence, s.state) for s in expired] == [(1, "expired"), (3, "expired")]
    assert await journal.expire_scans(NOON - 10) == []
    assert [s.sequence for s in await journal.waiting_scans()] == [2]
    assert [s.state for s in await journal.scans_after(0, 10)] == ["expired", "waiting", "expired", "delivered"]
