"""The file system of a board in virtual time."""

from __future__ import annotations

import errno
import io


class Files:
    """The board's file system: texts by path; `broken` is what opening one for writing raises."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.broken: OSError | None = None
        self.free_bytes = 1 << 20
        self.writes = 0

    def open(self, path: str, mode: str = "r") -> io.StringIO:
        if mode == "r":
            if path not in self.texts:
                raise OSError(errno.ENOENT, "ENOENT")
            return io.StringIO(self.texts[path])
        if self.broken:
            raise self.broken
        return _Written(self, path)

    def remove(self, path: str) -> None:
        if self.broken:
            raise self.broken
        if self.texts.pop(path, None) is None:
            raise OSError(errno.ENOENT, "ENOENT")

    def statvfs(self, path: str) -> tuple[int, ...]:
        return (4096, 4096, 256, self.free_bytes // 4096, self.free_bytes // 4096, 0, 0, 0, 0, 255)


class _Written(io.StringIO):
    """Stands on the board once it is closed."""

    def __init__(self, files: Files, path: str) -> None:
        super().__init__()
        self._files, self._path = files, path

    def close(self) -> None:
        if not self.closed:
            self._files.texts[self._path] = self.getvalue()
            self._files.writes += 1
        super().close()
