"""What a technician does with a board's files besides flashing: keep a copy, or clear it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Protocol

from host_bridge.flash.errors import FlashError
from host_bridge.flash.install import MAIN
from host_bridge.flash.prompt import FileOnBoard
from host_bridge.state import Text


class KeptFiles(Protocol):
    """What is asked of a board; `host_bridge.flash.prompt.Prompt` has it."""

    def files(self) -> dict[str, FileOnBoard]: ...
    def read(self, path: str) -> bytes: ...
    def remove(self, path: str) -> None: ...
    def remove_folder(self, path: str) -> None: ...
    def sync(self) -> None: ...


def backup(board: KeptFiles, folder: Path, progress: Callable[[str], None]) -> int:
    """Copy every file of the board into an empty or new folder; returns how many. Raises FlashError, OSError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FlashError(
            Text(f"{folder} is not empty", f"{folder} 不是空文件夹"),
            Text("Name a new folder.", "请指定一个新文件夹。"),
        )
    found = board.files()
    for path in sorted(found):
        target = folder / _safe(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        progress(path)
        target.write_bytes(board.read(path))
    return len(found)


def erase(board: KeptFiles) -> int:
    """Remove every file of the board, MicroPython stays; returns how many. What starts the hub goes first."""
    found = board.files()
    for path in sorted(found, key=lambda path: (path != MAIN, path)):
        board.remove(path)
    folders = {str(parent) for path in found for parent in PurePosixPath(path).parents if str(parent) not in (".", "/")}
    for folder in sorted(folders, key=len, reverse=True):
        board.remove_folder(folder)
    board.sync()
    return len(found)


def _safe(path: str) -> PurePosixPath:
    """A path from the board may not lead out of the folder."""
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    if not parts or any(part in ("..", ".") or "\\" in part or ":" in part for part in parts):
        raise FlashError(Text(f"the board has a file with a strange name: {path!r}", f"开发板上有异常文件名：{path!r}"))
    return PurePosixPath(*parts)
