"""Which hub is served on which port: never a stranger, never one hub twice, never one of two at a guess."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from host_bridge.events import LinkEvent
from host_bridge.hub.choice import ID_HELD_MS, STRANGER_ROUNDS, Claims, Heard, HubChoice
from host_bridge.hub.reconnect import HubLink, HubLinkOptions
from host_bridge.hub.transport import TransportLimits
from hublink import messages
from hublink.frame import FrameWriter
from hublink.hello import pack_hello
from tests.hub.peers import FakeHub, FakeTransport, Pty, hello, until, within

QUICK = HubLinkOptions(
    silent_ms=600,  # far above what a busy machine takes to hand a HELLO on
    back_off_first_ms=10,
    back_off_max_ms=40,
    transport_limits=TransportLimits(drain_limit_ms=50),
)
PATIENT = HubLinkOptions(silent_ms=60_000)
A, B = b"hub-000a", b"hub-000b"


class NoWatcher:
    """The back-off alone decides when to try again."""

    def mark(self) -> None:
        pass

    async def changed(self) -> None:
        await until(lambda: False, 60)


class Plugs:
    """Ports that come and go, and the links that look for hubs on them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lines: dict[str, Pty] = {}
        self.links: list[HubLink] = []
        self.claims = Claims()
        self.remembered: list[str] = []
        self.told: list[LinkEvent] = []

    def line(self, name: str) -> Pty:
        self.lines[name] = Pty(self._folder / name)
        return self.lines[name]

    def unplug(self, name: str) -> None:
        self.lines.pop(name).vanish()

    def comports(self) -> Any:
        return [
            SimpleNamespace(
                device=str(line.path), vid=0x2E8A, pid=5, description="", manufacturer=None, serial_number=None
            )
            for line in self.lines.values()
        ]

    def look(self, port: str = "auto", *, owner: str = "hub", **choice: Any) -> HubLink:
        link = HubLink(
            port,
            options=QUICK,
            publish=self.told.append,
            choice=HubChoice(owner, self.claims, remember=self.remembered.append, **choice),
            comports=self.comports,
            watcher=NoWatcher(),
            rng=random.Random(1),
        )
        link.start()
        self.links.append(link)
        return link

    def reasons(self) -> list[str | None]:
        return [event.link.reason for event in self.told]


@pytest.fixture
async def plugs(tmp_path: Path) -> AsyncIterator[Plugs]:
    made = Plugs(tmp_path)
    yield made
    for link in made.links:
        await link.stop()
    for line in made.lines.values():
        line.vanish()


def served(link: HubLink) -> bytes | None:
    return link.hello["hub_id"] if link.is_up and link.hello is not None else None


async def test_a_hub_with_another_id_is_left_alone_and_the_next_port_tried(plugs: Plugs) -> None:
    with FakeHub(plugs.line("0"), hub_id=A) as other, FakeHub(plugs.line("1"), hub_id=B):
        link = plugs.look(wanted_id=B.hex().upper())
        await until(lambda: served(link) == B)
        assert not other.received
    assert plugs.claims.heard_on(str(plugs.lines["0"].path)) == Heard(str(plugs.lines["0"].path), A.hex(), "till 1")


async def test_a_port_with_another_hub_than_asked_for_is_named(plugs: Plugs) -> None:
    line = plugs.line("0")
    with FakeHub(line, hub_id=A):
        link = plugs.look(str(line.path), wanted_id=B.hex())
        await until(lambda: link.state().reason == "other_hub")
        assert link.detail is not None and A.hex() in link.detail and B.hex() in link.detail
        assert link.remedy and not link.is_up


async def test_two_strangers_are_not_guessed_between_until_one_is_unplugged(plugs: Plugs) -> None:
    with FakeHub(plugs.line("0"), hub_id=A) as first, FakeHub(plugs.line("1"), hub_id=B) as second:
        link = plugs.look()
        await until(lambda: link.state().reason == "two_hubs")
        assert link.detail is not None and A.hex() in link.detail and B.hex() in link.detail
        assert link.remedy is not None and "hub.id" in link.remedy
        assert not first.received and not second.received
        plugs.unplug("0")
        await until(lambda: served(link) == B)
    assert plugs.remembered == [B.hex()]


async def test_of_two_hubs_the_one_served_last_is_served(plugs: Plugs) -> None:
    with FakeHub(plugs.line("0"), hub_id=A) as other, FakeHub(plugs.line("1"), hub_id=B):
        link = plugs.look(last_id=B.hex())
        await until(lambda: served(link) == B)
        assert not other.received
        assert "two_hubs" not in plugs.reasons()


async def test_the_only_hub_that_greets_is_served_beside_ports_that_are_none(plugs: Plugs) -> None:
    plugs.line("0")
    with FakeHub(plugs.line("1"), hub_id=B):
        link = plugs.look()
        await until(lambda: served(link) == B)
    assert plugs.remembered == [B.hex()]


async def test_a_new_board_in_place_of_a_broken_one_is_served_without_a_word(plugs: Plugs) -> None:
    with FakeHub(plugs.line("0"), hub_id=B):
        link = plugs.look(last_id=A.hex())
        await until(lambda: served(link) == B)
    assert plugs.remembered == [B.hex()]


async def test_several_links_share_the_ports_out_by_id(plugs: Plugs) -> None:
    ids = [b"hub-%04d" % number for number in range(6)]
    hubs = [FakeHub(plugs.line(str(number)), hub_id=hub_id) for number, hub_id in enumerate(reversed(ids))]
    for hub in hubs:
        hub.__enter__()
    try:
        links = {hub_id: plugs.look(owner=hub_id.decode(), wanted_id=hub_id.hex()) for hub_id in ids}
        await until(lambda: all(served(link) == hub_id for hub_id, link in links.items()))
        assert len({link.state().port for link in links.values()}) == len(ids)
    finally:
        for hub in hubs:
            hub.__exit__()


async def test_two_names_for_one_port_are_told_apart_from_a_busy_one(plugs: Plugs, tmp_path: Path) -> None:
    line = plugs.line("0")
    link_to_it = tmp_path / "by-id"
    link_to_it.symlink_to(line.path)
    with FakeHub(line, hub_id=A):
        first = plugs.look(str(line.path), owner="till-1")
        await until(lambda: first.is_up)
        second = plugs.look(str(link_to_it), owner="till-2")
        await until(lambda: second.state().reason == "same_hub")
        assert second.detail is not None and "till-1" in second.detail
        assert first.is_up


async def test_one_board_on_two_ports_is_served_once(plugs: Plugs) -> None:
    """Its USB and its UART, configured as two hubs."""
    with FakeHub(plugs.line("usb"), hub_id=A), FakeHub(plugs.line("uart"), hub_id=A) as again:
        first = plugs.look(str(plugs.lines["usb"].path), owner="till-1")
        await until(lambda: first.is_up)
        second = plugs.look(str(plugs.lines["uart"].path), owner="till-2")
        await until(lambda: second.state().reason == "same_hub")
        assert not again.received and first.is_up


async def test_while_others_try_all_ports_a_hub_is_not_yet_missing(plugs: Plugs) -> None:
    plugs.claims.take_port(str(plugs.line("0").path), "till-1")
    link = plugs.look(owner="till-2", wanted_id=B.hex())
    await until(lambda: link._waits > 2)
    assert plugs.reasons() == []
    plugs.claims.hold_hub(A.hex(), "till-1")
    await until(lambda: link.state().reason == "port_missing")
    assert link.detail is not None and "till-1" in link.detail


async def test_a_hub_that_was_asked_for_put_off_and_asked_for_again_is_free_when_its_link_stops() -> None:
    """What a backup path does while no session comes up."""
    transport, claims = FakeTransport(), Claims()
    link = HubLink("fake", options=PATIENT, choice=HubChoice("till-1", claims), new_transport=lambda port: transport)
    link.start()
    await within(transport.opened.wait())
    assert transport.receiver is not None
    for standby in (False, True, False, True, False):
        link.stand_by(standby)
        transport.receiver.data_received(said(A))
        assert claims.is_serving("till-1") is not standby
    await link.stop()
    assert not claims.is_serving("till-1")


def said(hub_id: bytes) -> bytes:
    """A hub's HELLO on the line."""
    opening = {"nonce": 1, "dictionary": messages.DICTIONARY_HASH, "credit": bytes(6)}
    frame: bytes = FrameWriter(True).frame(0, 0, 0, 0, 0, pack_hello({**greeting(hub_id), **opening}))
    return frame


def greeting(hub_id: bytes) -> dict[str, Any]:
    return hello(hub_id=hub_id)


def test_another_board_than_the_last_must_be_alone_for_some_rounds() -> None:
    """The last one may be starting again, while another port takes part in the round."""
    choice = HubChoice("hub", last_id=A.hex())
    ends = []
    for _ in range(STRANGER_ROUNDS):
        assert choice.judge("p", greeting(B), among=2) is not None
        end = choice.round_over()
        assert end is not None
        ends.append(end.code)
    assert ends == ["other_hub"] * (STRANGER_ROUNDS - 1) + ["next_candidate"]
    assert choice.judge("p", greeting(B), among=2) is None


def test_the_last_one_back_ends_the_wait() -> None:
    choice = HubChoice("hub", last_id=A.hex())
    choice.judge("p", greeting(B), among=2)
    choice.round_over()
    assert choice.judge("q", greeting(A), among=2) is None


def test_a_hub_is_remembered_once_when_its_link_is_up_and_never_for_a_greeting() -> None:
    remembered: list[str] = []
    choice = HubChoice("hub", last_id=A.hex(), remember=remembered.append)
    for hub_id in (B, A, B, A, B):
        assert choice.judge("p", greeting(hub_id), among=1) is None
    assert remembered == []
    choice.link_up(B.hex())
    choice.link_up(B.hex())
    assert remembered == [B.hex()]


def test_a_hub_stays_its_owners_for_a_while_after_its_link_is_down() -> None:
    now = [0.0]
    claims = Claims(lambda: now[0])
    claims.hold_hub("a", "till-1")
    claims.hold_hub("a", "till-1")  # its backup path
    claims.let_go_of_hub("a", "till-1")
    assert claims.is_serving("till-1")
    claims.let_go_of_hub("a", "till-1")
    assert not claims.is_serving("till-1")
    now[0] = ID_HELD_MS / 1000
    assert claims.holder_of_hub("a") == "till-1"
    now[0] += 0.001
    assert claims.holder_of_hub("a") is None


def test_boards_that_were_exchanged_between_two_ports_are_free_for_each_other_soon() -> None:
    now = [0.0]
    claims = Claims(lambda: now[0])
    first, second = HubChoice("till-1", claims), HubChoice("till-2", claims)
    assert first.judge("p", greeting(A), among=1) is None
    assert second.judge("q", greeting(B), among=1) is None
    first.let_go(A.hex())
    second.let_go(B.hex())
    refused = first.judge("p", greeting(B), among=1)
    assert refused is not None and refused.code == "same_hub"
    now[0] = ID_HELD_MS / 1000 + 1
    assert first.judge("p", greeting(B), among=1) is None
    assert second.judge("q", greeting(A), among=1) is None


def test_only_so_many_greetings_are_remembered() -> None:
    claims = Claims()
    for number in range(1000):
        claims.hear(Heard(f"/nowhere/{number}", "a", ""))
    assert claims.heard_on("/nowhere/0") is None and claims.heard_on("/nowhere/999") is not None


def test_a_port_is_free_again_though_the_link_to_it_has_gone_or_leads_elsewhere(tmp_path: Path) -> None:
    """What /dev/serial/by-id does when a board is pulled, and another one gets its number."""
    claims = Claims()
    first, second, by_id = tmp_path / "ttyACM0", tmp_path / "ttyACM1", tmp_path / "by-id"
    first.touch()
    second.touch()
    by_id.symlink_to(first)
    assert claims.take_port(str(by_id), "till-1")
    assert not claims.take_port(str(first), "till-2")
    by_id.unlink()
    by_id.symlink_to(second)
    claims.drop_port(str(by_id), "till-1")
    assert claims.take_port(str(first), "till-2")
    assert claims.take_port(str(by_id), "till-1")
