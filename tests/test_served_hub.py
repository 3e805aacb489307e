"""What one served hub meets is its own: it is told as its fault, tried again, and no other one notices."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from host_bridge import served_hub
from host_bridge.bridge import Bridge, ServiceDied
from host_bridge.config import Config, Http, Hub, NamedHub, Raw
from host_bridge.interfaces.services import Refused
from host_bridge.journal import Journal, JournalInUse
from host_bridge.served_hub import JOURNAL_FILE, ServedHub
from tests.hub.peers import FakeHub, Pty, until

HTTP = Http(listen="127.0.0.1:0")
RAW = "127.0.0.1:0"

Begin = Callable[[Config], Awaitable[Bridge]]


@pytest.fixture
async def begin(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Begin]:
    """Start a bridge; what fails is tried again at once."""
    monkeypatch.setattr(served_hub, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(served_hub, "RETRY_MAX_S", 0.02)
    started: list[Bridge] = []

    async def start(config: Config) -> Bridge:
        bridge = Bridge(config)
        await bridge.start()
        started.append(bridge)
        return bridge

    yield start
    for bridge in started:
        await bridge.stop()


def two_hubs(folder: Path, **more: NamedHub) -> Config:
    one = NamedHub(port=str(folder / "one"), raw_listen=RAW)
    two = NamedHub(port=str(folder / "two"), raw_listen=RAW)
    return Config(state_dir=str(folder), http=HTTP, hubs={"one": one, "two": two, **more})


def codes(hub: ServedHub) -> list[str]:
    return [fault.code for fault in hub.state().faults]


async def takes_jobs(hub: ServedHub) -> bool:
    submitted = await hub.printing.submit(b"\x1b@x\n", source="test")
    return (await hub.printing.job(submitted.job.job_id)) is not None


def tasks_of(hub: ServedHub) -> list[asyncio.Task[None]]:
    assert hub._devices is not None
    return hub._devices.tasks()


async def test_a_part_that_dies_is_started_again_and_its_jobs_are_kept(tmp_path: Path, begin: Begin) -> None:
    bridge = await begin(two_hubs(tmp_path))
    one, two = bridge.hubs["one"], bridge.hubs["two"]
    kept = (await one.printing.submit(b"\x1b@kept\n", source="test")).job.job_id
    told = one.events.subscribe()
    others = tasks_of(two)
    tasks_of(one)[0].cancel()
    async with asyncio.timeout(30):
        while getattr(getattr(await told.next(), "fault", None), "code", "") != "hub_stopped":
            pass
    await until(lambda: "hub_stopped" not in codes(one) and one._devices is not None)
    job = await one.printing.job(kept)
    assert job is not None and job.state.value == "queued"
    assert tasks_of(two) == others and not any(task.done() for task in others)
    assert await takes_jobs(two)


async def test_a_journal_that_another_bridge_holds_is_that_hubs_fault_until_it_is_free(
    tmp_path: Path, begin: Begin
) -> None:
    foreign = await Journal.open(tmp_path / "hubs" / "one" / JOURNAL_FILE)
    bridge = await begin(two_hubs(tmp_path))
    one, two = bridge.hubs["one"], bridge.hubs["two"]
    state = one.state()
    assert (state.link.status, state.link.reason, codes(one)) == ("down", "journal_failed", ["journal_failed"])
    assert state.link.detail is not None and "another bridge" in state.link.detail
    for service in ("printing", "drawers", "scans"):
        with pytest.raises(Refused) as refused:
            getattr(one, service)
        assert refused.value.code == "journal_failed"
    assert await takes_jobs(two)
    await foreign.close()
    await until(lambda: one._devices is not None)
    await until(lambda: codes(one) == ["port_missing"])
    assert await takes_jobs(one)


async def test_a_printer_port_that_is_taken_stops_one_hub_only(tmp_path: Path, begin: Begin) -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        third = NamedHub(port=str(tmp_path / "three"), raw_listen=f"127.0.0.1:{port}")
        bridge = await begin(two_hubs(tmp_path, three=third))
        assert codes(bridge.hubs["three"]) == ["hub_stopped"]
        assert str(port) in (bridge.hubs["three"].state().link.detail or "")
        assert await takes_jobs(bridge.hubs["one"])
    await until(lambda: bridge.hubs["three"]._devices is not None)


async def test_the_only_hub_is_what_the_bridge_is_for(tmp_path: Path, begin: Begin) -> None:
    """Whoever supervises the process must see that it can't do its work."""
    config = Config(state_dir=str(tmp_path), http=HTTP, raw=Raw(listen=RAW), hub=Hub(port=str(tmp_path / "one")))
    foreign = await Journal.open(tmp_path / JOURNAL_FILE)
    with pytest.raises(JournalInUse):
        await begin(config)
    await foreign.close()
    bridge = await begin(config)
    tasks_of(bridge.hubs["hub"])[0].cancel()
    with pytest.raises(ServiceDied):
        async with asyncio.timeout(30):
            await bridge.run()


async def test_stopping_stops_them_all_and_their_journals_are_free(tmp_path: Path) -> None:
    bridge = Bridge(two_hubs(tmp_path))
    await bridge.start()
    await bridge.stop()
    for name in ("one", "two"):
        await (await Journal.open(tmp_path / "hubs" / name / JOURNAL_FILE)).close()


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
async def test_one_board_under_two_names_is_served_under_one(tmp_path: Path, begin: Begin) -> None:
    usb, uart = Pty(tmp_path / "one"), Pty(tmp_path / "two")
    with FakeHub(usb), FakeHub(uart):
        bridge = await begin(two_hubs(tmp_path))
        hubs = bridge.hubs.values()
        await until(lambda: sorted(hub.state().link.status for hub in hubs) == ["down", "up"])
        await until(lambda: ["same_hub"] in [codes(hub) for hub in hubs])
        served = next(hub.name for hub in hubs if not codes(hub))
        await until((tmp_path / "hubs" / served / "last-hub").exists)  # a thread writes it
    usb.vanish()
    uart.vanish()


async def test_a_bridge_that_can_serve_none_of_its_hubs_does_not_pretend_to_run(tmp_path: Path, begin: Begin) -> None:
    foreign = [await Journal.open(tmp_path / "hubs" / name / JOURNAL_FILE) for name in ("one", "two")]
    with pytest.raises(JournalInUse):
        await begin(two_hubs(tmp_path))
    for journal in foreign:
        await journal.close()
    await begin(two_hubs(tmp_path))
