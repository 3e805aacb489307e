"""`counterhub run --emulated-pico`: what can't work is said before anything is started or laid."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from host_bridge.cli import emulating
from host_bridge.emulator import hub, image
from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--emulated-pico", "none.uf2"], "No such file"),
        (["--emulated-pico", "none.uf2", "--port", "COM3"], "leave out --port and --engine"),
        (["--emulated-pico", "none.uf2", "--engine", "cpython"], "leave out --port and --engine"),
        (["--emulated-pico", "none.uf2", "--hubs", "2"], "is one hub"),
    ],
)
def test_a_command_line_that_can_not_work_exits_with_2(
    counterhub: Command, tmp_path: Path, arguments: list[str], words: str
) -> None:
    result = counterhub("run", *arguments, "--state-dir", str(tmp_path / "state"))
    assert result.exit_code == 2 and words in result.err
    assert not (tmp_path / "state").exists()


def test_an_address_that_is_taken_is_said_before_minutes_of_laying(
    counterhub: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "check_installed", lambda: None)
    monkeypatch.setattr(image, "read_image", lambda path: image.PicoImage(path, "0" * 64))
    monkeypatch.setattr(emulating, "_lay", lambda *_: pytest.fail("the firmware was being laid"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = counterhub(
            "run", "--emulated-pico", "a.uf2", "--state-dir", str(tmp_path), "--http", address, "--raw", "127.0.0.1:0"
        )
    assert result.exit_code == 1 and address in result.err


def test_a_state_directory_in_use_is_said_and_left_alone(
    counterhub: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "check_installed", lambda: None)
    monkeypatch.setattr(image, "read_image", lambda path: image.PicoImage(path, "0" * 64))
    with hub.claimed(tmp_path):
        result = counterhub("run", "--emulated-pico", "a.uf2", "--state-dir", str(tmp_path))
    assert result.exit_code == 1 and "another counterhub run" in result.err
