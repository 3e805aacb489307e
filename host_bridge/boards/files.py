"""Board files: which there are, reading one, and the JSON that is laid on the hub."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from host_bridge.boards.schema import NOT_FOR_THE_HUB, Board

FILE_BYTES_MAX = 65_536
HUB_KEYS = tuple(key for key in Board.__struct_fields__ if key not in NOT_FOR_THE_HUB)


class BoardFile(NamedTuple):
    """A file's name, for messages, and its text."""

    name: str
    text: str


class UnknownBoard(Exception):
    """There is no such board file; the message says what there is."""


def shipped() -> list[str]:
    """The names of the boards that come with Counterhub."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in files("board_configs").iterdir() if entry.name.endswith(".toml")
    )


def read(name_or_path: str) -> BoardFile:
    """Read a shipped board by name, or a file by path.

    Raises UnknownBoard, OSError, or ValueError if the file is too large or no UTF-8.
    """
    if name_or_path in shipped():
        entry = files("board_configs").joinpath(f"{name_or_path}.toml")
        return BoardFile(f"{name_or_path}.toml", entry.read_text(encoding="utf-8"))
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        raise UnknownBoard(name_or_path)
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"{name_or_path}: a board file has at most {FILE_BYTES_MAX} bytes")
    try:
        return BoardFile(name_or_path, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{name_or_path}: expected UTF-8 text, byte {error.start} is none") from error


def parse(text: str) -> Board:
    """The board of a file that has been checked. Raises TOMLDecodeError or msgspec.ValidationError."""
    return msgspec.convert(tomllib.loads(text), Board)


def board_file(text: str, hub_name: str | None = None) -> dict[str, Any]:
    """What goes on the hub as its board file: all but what is for people, the checker and whoever opens the port."""
    values = tomllib.loads(text)
    if hub_name is not None:
        values["hub_name"] = hub_name
    return {key: values[key] for key in HUB_KEYS if key in values}
