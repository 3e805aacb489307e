"""Only what changed is laid, and an interruption at any moment leaves a board that the same command repairs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.flash.errors import FlashError
from host_bridge.flash.install import install, plan
from host_bridge.flash.payload import LaidFile
from host_bridge.flash.prompt import FileOnBoard

WANTED = [
    LaidFile("hublink/link.mpy", b"link 2"),
    LaidFile("hub/app.mpy", b"app 2"),
    LaidFile("hub/board.mpy", b"board 2"),
    LaidFile("boot.py", b"boot 2"),
    LaidFile("main.py", b"main 2"),
    LaidFile("board.json", b'{"name": "pico"}'),
]
NEW = {file.path: file.data for file in WANTED}
OLD = {path: data.replace(b"2", b"1") for path, data in NEW.items()} | {"hub/gone.mpy": b"x", "hub/app.py": b"y"}


class PlugPulled(Exception):
    pass


class Flash:
    """A board's file system whose plug is pulled after so many operations."""

    def __init__(self, files: dict[str, bytes], operations: int = 1_000_000) -> None:
        self.contents = dict(files)
        self.left = operations
        self.written: list[str] = []
        self.states: list[dict[str, bytes]] = []

    def _operate(self) -> None:
        if not self.left:
            raise PlugPulled
        self.left -= 1

    def files(self) -> dict[str, FileOnBoard]:
        laid = [LaidFile(path, data) for path, data in self.contents.items()]
        return {file.path: FileOnBoard(len(file.data), file.sha256) for file in laid}

    def write(self, file: LaidFile, progress: Callable[[int], None]) -> None:
        self._operate()
        self.contents[file.path + ".new"] = file.data[:1]
        self._operate()
        self.contents[file.path + ".new"] = file.data
        progress(len(file.data))
        self._operate()
        self.contents[file.path] = self.contents.pop(file.path + ".new")
        self.written.append(file.path)

    def remove(self, path: str) -> None:
        self._operate()
        self.contents.pop(path, None)

    def sync(self) -> None:
        pass


def nothing(_path: str, _done: int, _total: int) -> None:
    pass


def test_an_empty_board_gets_everything_and_main_last() -> None:
    board = Flash({})
    install(board, WANTED, nothing)
    assert board.contents == NEW
    assert board.written[-3:] == ["board.json", "boot.py", "main.py"]


def test_a_board_that_is_current_is_not_written() -> None:
    board = Flash(NEW, operations=0)
    assert install(board, WANTED, nothing).is_empty


def test_only_what_changed_is_written_and_main_again() -> None:
    board = Flash(NEW | {"hub/app.mpy": b"app 1"})
    install(board, WANTED, nothing)
    assert board.written == ["hub/app.mpy", "main.py"]
    assert board.contents == NEW


def test_old_modules_and_sources_that_would_win_over_the_compiled_ones_go() -> None:
    board = Flash(NEW | {"hub/app.py": b"old", "hub/gone.mpy": b"old", "main.py.new": b"half"})
    install(board, WANTED, nothing)
    assert board.contents == NEW


def test_a_persons_own_files_stay() -> None:
    own = {"notes.txt": b"mine", "lib/extra.mpy": b"x"}
    board = Flash(OLD | own)
    install(board, WANTED, nothing)
    assert board.contents == NEW | own


@pytest.mark.parametrize("before", [{}, OLD, NEW | {"hub/app.mpy": b"app 1"}], ids=["empty", "old", "one_changed"])
def test_the_plug_may_be_pulled_at_any_moment(before: dict[str, bytes]) -> None:
    for operations in range(60):
        board = Flash(before, operations)
        try:
            install(board, WANTED, nothing)
        except PlugPulled:
            # What starts is whole: all as it was, or all new; otherwise main.py isn't there and the prompt is.
            whole = {path: data for path, data in board.contents.items() if not path.endswith(".new")}
            assert "main.py" not in whole or whole in (before, NEW)
            board.left = 1_000_000
            install(board, WANTED, nothing)
        else:
            assert operations > 5
        assert board.contents == NEW


@given(st.lists(st.integers(0, 12), max_size=6))
def test_pulled_again_and_again_it_still_gets_there(pulls: list[int]) -> None:
    board = Flash(OLD)
    for operations in pulls:
        board.left = operations
        try:
            install(board, WANTED, nothing)
        except PlugPulled:
            continue
    board.left = 1_000_000
    install(board, WANTED, nothing)
    assert board.contents == NEW


def test_flash_memory_that_forgets_is_noticed_before_main_is_laid() -> None:
    class Worn(Flash):
        def write(self, file: LaidFile, progress: Callable[[int], None]) -> None:
            super().write(file, progress)
            if file.path == "hub/app.mpy":
                self.contents[file.path] = b"rot"

    board = Worn(OLD)
    with pytest.raises(FlashError, match=r"hub/app\.mpy reads back differently"):
        install(board, WANTED, nothing)
    assert "main.py" not in board.contents


def test_progress_ends_at_the_whole() -> None:
    seen: list[tuple[str, int, int]] = []
    install(Flash({}), WANTED, lambda path, done, total: seen.append((path, done, total)))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    total = sum(len(file.data) for file in WANTED)
    assert seen[-1] == ("", total, total)


def test_the_plan_counts_what_it_will_write() -> None:
    found = Flash(NEW | {"hub/app.mpy": b"app 1"}).files()
    assert plan(found, WANTED).total_bytes == len(b"app 2") + len(b"main 2")
