"""What a technician reads later: bounded, in order."""

from __future__ import annotations

from host_bridge.journal import store


async def test_events_are_the_newest_ones_or_those_after_a_number_oldest_first(journal):
    for number in range(1, 6):
        await journal.add_event("link_down", {"n": number, "text": "掉线", "nested": [1, None]})
    assert [e.event_id for e in await journal.events(2)] == [4, 5]
    assert [e.event_id for e in await journal.events(2, after=2)] == [3, 4]
    assert await journal.events(2, after=5) == []
    assert (await journal.events(1))[0].detail == {"n": 5, "text": "掉线", "nested": [1, None]}


async def test_a_huge_event_is_cut_and_says_so(journal):
    event = await journal.add_event("trace", {"frames": "茶" * 1_000_000})
    assert event.detail["truncated"] == 3_000_000 + len('{"frames":""}')
    [kept] = await journal.events(1)
    assert kept == event and len(str(kept.detail)) < store.MAX_DETAIL_BYTES


async def test_what_json_does_not_know_is_kept_as_text(journal, tmp_path):
    event = await journal.add_event("odd", {"path": tmp_path, "error": ValueError("no")})
    assert event.detail == {"path": str(tmp_path), "error": "no"}
