"""The progress of files that are laid on a board."""

from __future__ import annotations

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from host_bridge.cli import screen


class FileBar:
    """One bar for all files, on standard error; nothing where that is no terminal."""

    def __init__(self) -> None:
        console = screen.stderr()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> FileBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, path: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=path, completed=done, total=total, visible=True)
