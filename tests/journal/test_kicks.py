"""A kick is settled once and never replayed."""

from __future__ import annotations

import pytest

from host_bridge.journal import IdempotencyMismatch, IllegalTransition, KickState, UnknownRecord
from tests.journal.bench import NOON


async def test_a_kick_is_settled_once(journal, clock):
    kick, replayed = await journal.add_kick("api", 2)
    assert not replayed and (kick.kick_id, kick.drawer, kick.state) == (1, 2, KickState.REQUESTED)
    clock.now += 1
    settled = await journal.settle_kick(1, KickState.FAILED, "link_down")
    assert (settled.state, settled.reason, settled.updated_at) == (KickState.FAILED, "link_down", NOON + 1)
    with pytest.raises(IllegalTransition, match="is failed and can't become opened") as caught:
        await journal.settle_kick(1, KickState.OPENED)
    assert caught.value.current == settled == await journal.kick(1)
    with pytest.raises(UnknownRecord):
        await journal.settle_kick(2, KickState.OPENED)
    assert await journal.kick(1 << 80) is None


async def test_a_known_key_does_not_kick_again(journal):
    kick, _ = await journal.add_kick("api", 1, "sale 1")
    await journal.settle_kick(kick.kick_id, KickState.OPENED)
    again, replayed = await journal.add_kick("api", 1, "sale 1")
    assert (again.kick_id, again.state, replayed) == (kick.kick_id, KickState.OPENED, True)
    with pytest.raises(IdempotencyMismatch):
        await journal.add_kick("api", 2, "sale 1")
    with pytest.raises(IdempotencyMismatch, match="a kick request"):
        await journal.add_job(b"receipt", "api", "sale 1")


async def test_what_a_killed_bridge_left_requested_has_failed(journal):
    for _ in range(3):
        await journal.add_kick("api", 1)
    await journal.settle_kick(2, KickState.OPENED)
    assert await journal.abandon_open_kicks("bridge_restarted") == 2
    assert await journal.abandon_open_kicks("bridge_restarted") == 0
    kicks = [await journal.kick(number) for number in (1, 2, 3)]
    assert [(k.state, k.reason) for k in kicks] == [
        ("failed", "bridge_restarted"),
        ("opened", None),
        ("failed", "bridge_restarted"),
    ]
