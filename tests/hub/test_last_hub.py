"""Which hub was served last survives a restart, and a file that is none is no reason to stand still."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from host_bridge.hub.last_hub import FILE, LastHub


async def test_the_newest_is_read_by_the_next_start(tmp_path: Path) -> None:
    last = LastHub(tmp_path)
    assert await last.read() is None
    for number in range(5):
        last.remember(f"{number:016x}")
    await last.settle()
    assert await LastHub(tmp_path).read() == f"{4:016x}"
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


async def test_of_a_thousand_changes_that_a_slow_disk_holds_up_only_the_newest_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = LastHub(tmp_path)
    begun, may_go_on, written = threading.Event(), threading.Event(), []

    def write(hub_id: str) -> None:
        written.append(hub_id)
        begun.set()
        may_go_on.wait(10)

    monkeypatch.setattr(last, "_write", write)
    tasks_before = len(asyncio.all_tasks())
    last.remember(f"{0:016x}")
    await asyncio.to_thread(begun.wait, 10)
    for number in range(1, 1001):
        last.remember(f"{number:016x}")
    assert len(asyncio.all_tasks()) == tasks_before + 1
    may_go_on.set()
    await last.settle()
    assert written == [f"{0:016x}", f"{1000:016x}"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"e661", b"x" * 10_000, b"E66141041B5C2F27", b"\0" * 16])
async def test_what_is_no_id_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert await LastHub(tmp_path).read() is None


async def test_a_folder_that_can_not_be_written_is_said_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last = LastHub(tmp_path / "gone")
    last.remember("0" * 16)
    await last.settle()
    assert "could not be written" in caplog.text
    (tmp_path / FILE).mkdir()
    assert await LastHub(tmp_path).read() is None
