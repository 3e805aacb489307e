"""Laying files on a board: only what changed, and in an order that an interruption can't hurt.

main.py is taken away first and laid last. So whenever the cable is pulled, the board comes up either with what it had,
or at its prompt, from where the same command goes on; never with half of a firmware.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from host_bridge.flash.errors import FlashError
from host_bridge.flash.payload import BOARD_FILE, PACKAGES, STARTERS, LaidFile
from host_bridge.flash.prompt import NEW, FileOnBoard
from host_bridge.state import Text

MAIN = "main.py"


class BoardFiles(Protocol):
    """What installing asks of a board; `host_bridge.flash.prompt.Prompt` has it."""

    def files(self) -> dict[str, FileOnBoard]: ...
    def write(self, file: LaidFile, progress: Callable[[int], None]) -> None: ...
    def remove(self, path: str) -> None: ...
    def sync(self) -> None: ...


class Plan(NamedTuple):
    """What has to be done to a board."""

    write: tuple[LaidFile, ...]  # in this order
    remove: tuple[str, ...]
    total_bytes: int

    @property
    def is_empty(self) -> bool:
        return not self.write and not self.remove


Progress = Callable[[str, int, int], None]  # path, bytes done in all, bytes in all


def plan(found: dict[str, FileOnBoard], wanted: list[LaidFile]) -> Plan:
    """Compare the board with what it should hold. Files that aren't the firmware's are left alone."""
    changed = [file for file in wanted if found.get(file.path, FileOnBoard(0, "")).sha256 != file.sha256]
    paths = {file.path for file in wanted}
    stale = sorted(path for path in found if _is_ours(path) and path not in paths)
    if changed or stale:
        main = [file for file in wanted if file.path == MAIN and file not in changed]
        changed += main  # it was taken away before anything else was touched
    ordered = sorted(changed, key=lambda file: _rank(file.path))
    return Plan(tuple(ordered), tuple(stale), sum(len(file.data) for file in ordered))


def install(board: BoardFiles, wanted: list[LaidFile], progress: Progress) -> Plan:
    """Bring the board to what it should hold, and check it; returns what was done. Raises FlashError."""
    found = board.files()
    todo = plan(found, wanted)
    if todo.is_empty:
        return todo
    if MAIN in found:
        board.remove(MAIN)
    for path in todo.remove:
        board.remove(path)
    done = 0
    for file in todo.write:
        if file.path == MAIN:
            _check(board, [each for each in wanted if each.path != MAIN])
        board.write(file, _from(progress, file.path, done, todo.total_bytes))
        done += len(file.data)
    board.sync()
    _check(board, wanted)
    progress("", todo.total_bytes, todo.total_bytes)
    return todo


def _from(progress: Progress, path: str, before: int, total: int) -> Callable[[int], None]:
    """Progress of one file as progress of the whole."""
    progress(path, before, total)
    return lambda done: progress(path, before + done, total)


def _check(board: BoardFiles, wanted: list[LaidFile]) -> None:
    """Read back what stands on the board."""
    found = board.files()
    for file in wanted:
        if found.get(file.path, FileOnBoard(0, "")).sha256 != file.sha256:
            raise FlashError(
                Text(f"{file.path} reads back differently than it was written", f"{file.path} 回读校验不一致"),
                Text(
                    "Give the same command again. If it stays, the flash memory is worn out: take another board.",
                    "请再执行一次；若仍出现，说明闪存已损坏，请更换开发板。",
                ),
            )


def _is_ours(path: str) -> bool:
    """Files that the firmware may hold: an old module, a source beside its compiled form, a write that broke off."""
    package = path.partition("/")[0]
    return package in PACKAGES or path.removesuffix(NEW) in (*STARTERS, BOARD_FILE)


def _rank(path: str) -> int:
    """Libraries, board file, boot.py, main.py."""
    order = (BOARD_FILE, *STARTERS)
    return order.index(path) + 1 if path in order else 0
