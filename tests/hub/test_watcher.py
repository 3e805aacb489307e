"""When a port counts as back."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from host_bridge.hub.watcher import PortWatcher
from tests.hub.peers import within

NO_NEWS_S = 0.05  # of a poll each millisecond


async def says_nothing(watcher: PortWatcher) -> bool:
    try:
        await within(watcher.changed(), NO_NEWS_S)
    except TimeoutError:
        return True
    return False


async def test_a_path_that_appears_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "port"
    watcher = PortWatcher(str(path), poll_ms=1, platform="linux")
    watcher.mark()
    waiting = asyncio.create_task(watcher.changed())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    path.touch()
    await within(waiting)


async def test_a_path_that_stays_as_it_was_is_no_news(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.touch()
    watcher = PortWatcher(str(path), poll_ms=1, platform="linux")
    watcher.mark()
    assert await says_nothing(watcher)


async def test_a_path_that_was_replaced_since_the_mark_is_noticed(tmp_path: Path) -> None:
    path, other = tmp_path / "port", tmp_path / "other"
    path.touch()
    other.touch()
    watcher = PortWatcher(str(path), poll_ms=1, platform="linux")
    watcher.mark()
    other.rename(path)
    await within(watcher.changed())


async def test_rights_given_later_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.touch(0o600)
    watcher = PortWatcher(str(path), poll_ms=1, platform="linux")
    watcher.mark()
    path.chmod(0o660)
    await within(watcher.changed())


async def test_auto_on_linux_looks_at_the_directory_of_devices() -> None:
    times = iter([1, 1, 1, 2, 2, 2])
    looked: list[str] = []

    def stat(path: str) -> Any:
        looked.append(path)
        return SimpleNamespace(st_mtime_ns=next(times))

    watcher = PortWatcher("auto", poll_ms=1, stat=stat, platform="linux")
    watcher.mark()
    await within(watcher.changed())
    assert looked == ["/dev"] * 4


@pytest.mark.parametrize(("port", "platform"), [("COM3", "win32"), ("auto", "win32"), ("auto", "darwin")])
async def test_elsewhere_the_list_of_ports_is_watched(port: str, platform: str) -> None:
    found: list[Any] = []
    watcher = PortWatcher(port, list_poll_ms=1, comports=lambda: list(found), platform=platform)
    watcher.mark()
    waiting = asyncio.create_task(watcher.changed())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    found.append(SimpleNamespace(device="COM3"))
    await within(waiting)


async def test_a_listing_that_fails_is_tried_again() -> None:
    calls: list[int] = []

    def comports() -> list[Any]:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("registry")
        return [SimpleNamespace(device="COM3")]

    watcher = PortWatcher("COM3", list_poll_ms=1, comports=comports, platform="win32")
    await within(watcher.changed())


async def test_a_url_cannot_be_watched() -> None:
    assert await says_nothing(PortWatcher("socket://127.0.0.1:1", poll_ms=1))


async def test_a_stat_that_fails_is_a_port_that_is_not_there() -> None:
    def stat(_path: str) -> os.stat_result:
        raise PermissionError

    watcher = PortWatcher("/x", poll_ms=1, stat=stat, platform="linux")
    watcher.mark()
    assert await says_nothing(watcher)
