"""A TOML text that can tell on which line something stands, and the error that says it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 256 << 10
NO_FILE = "the command line"  # where a wrong value came from that is in no file


class ConfigError(Exception):
    """A setting can't be used. Says where, what was expected, what came, and what may have been meant."""

    def __init__(self, source: str, line: int | None, problem: str, hint: str | None = None) -> None:
        where = source if line is None else f"{source}, line {line}"
        super().__init__(f"{where}: {problem}" + (f" ({hint})" if hint else ""))
        self.source = source
        self.line = line
        self.problem = problem
        self.hint = hint


class Document:
    """A TOML text that can tell on which line something stands."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self._lines = text.split("\n")
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self._syntax_error(error) from error

    def error(self, path: Sequence[str], problem: str, hint: str | None = None) -> ConfigError:
        return ConfigError(self.source, self.line(path), problem, hint)

    def line(self, path: Sequence[str]) -> int | None:
        """The line on which the key or section begins, whatever the notation: asked of the parser itself.

        The shortest readable beginning of the text that holds the key ends where its value ends.
        """
        if not self._holds(self.values, path):
            return None
        low, high = 0, len(self._lines)
        while low < high:
            middle = (low + high) // 2
            end, values = self._readable_from(middle)
            if self._holds(values, path):
                high = middle
            else:
                low = end + 1
        start = low
        while start > 1 and self._parse(start - 1) is None:
            start -= 1  # the value spans lines
        return start

    def _readable_from(self, count: int) -> tuple[int, dict[str, Any]]:
        while (values := self._parse(count)) is None:
            count += 1
        return count, values

    def _parse(self, count: int) -> dict[str, Any] | None:
        try:
            return tomllib.loads("\n".join(self._lines[:count]))
        except tomllib.TOMLDecodeError:
            return None

    @staticmethod
    def _holds(values: Any, path: Sequence[str]) -> bool:
        for name in path:
            if not isinstance(values, dict) or name not in values:
                return False
            values = values[name]
        return True

    def _syntax_error(self, error: tomllib.TOMLDecodeError) -> ConfigError:
        message = str(error)
        match = re.search(r"\(at line (\d+), column \d+\)", message)
        line = int(match[1]) if match else len(self._lines)
        hint = None
        if "\\" in self._lines[line - 1] and '"' in self._lines[line - 1]:
            hint = "a backslash needs single quotes around the value: 'C:\\path'"
        return ConfigError(self.source, line, f"not TOML: {message}", hint)


def read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), None, f"can't be read: {error.strerror or error}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(str(path), None, f"larger than {MAX_FILE_BYTES} bytes: is it a configuration?")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), line, "not UTF-8: save the file as UTF-8") from error
