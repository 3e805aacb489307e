"""`counterhub flash`, `backup` and `erase` on a fake board."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from host_bridge.boards import files
from host_bridge.cli import flashing
from host_bridge.cli.app import app
from host_bridge.flash import esp32, payload, prompt, recognise

pytest.importorskip("mpremote")
if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is needed", allow_module_level=True)

from tests.flash.fake_board import FakeBoard

DEADLINE_S = 30.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "BREAK_IN_S", 0.2)
    monkeypatch.setattr(prompt, "PROMPT_TIMEOUT_S", 0.5)
    monkeypatch.setattr(flashing, "RESTART_S", 0)
    monkeypatch.setattr(payload, "mpy_cross", lambda source, name: name.encode())
    monkeypatch.setenv("COUNTERHUB_LANG", "en")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[FakeBoard]:
    with FakeBoard(tmp_path / "flash") as board:
        yield board


def counterhub(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=answer)


def test_flash_says_what_it_did_and_is_harmless_again(board: FakeBoard) -> None:
    result = counterhub("flash", "--port", board.port, "--name", "counter-3")
    assert result.exit_code == 0, result.output
    assert "Flashed: counter-3 (pico), firmware 0.1.0. It greets." in result.stdout
    board.replug(button=True)
    before = board.files()
    result = counterhub("flash", "--port", board.port, "--lang", "zh")
    assert result.exit_code == 0
    assert "无需更新：counter-3（pico）" in result.stdout
    assert board.files() == before


def test_a_wrong_board_file_is_refused_before_the_board_is_touched(board: FakeBoard, tmp_path: Path) -> None:
    wrong = tmp_path / "mine.toml"
    wrong.write_text(files.read("pico").text.replace("tx = 0", "tx = 8"))
    result = counterhub("flash", "--port", board.port, "--board", str(wrong))
    assert result.exit_code == 2
    assert "printer.tx" in result.stderr
    assert board.operations == 0
    assert counterhub("flash", "--port", board.port, "--board", "nix").exit_code == 2


def test_no_board_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_bridge.hub.ports.system_comports", list)
    result = counterhub("flash", "--port", "/dev/no-such-port")
    assert result.exit_code == 1
    assert "no-such-port" in result.stderr


def test_an_image_goes_to_the_boot_drive_first(
    board: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.flash.test_recognise import drive, uf2, write

    found = recognise.find_boot_drives([drive(tmp_path / "pico", "RPI-RP2")])
    monkeypatch.setattr(recognise, "find_boot_drives", lambda: found)
    result = counterhub("flash", "--port", board.port, "--image", str(write(tmp_path, uf2())))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "pico" / "counterhub.uf2").exists()
    assert "Flashed" in result.stdout


def test_a_boot_drive_that_does_not_appear_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.flash.test_recognise import uf2, write

    monkeypatch.setattr(flashing, "BOOT_DRIVE_WAIT_S", 0)
    monkeypatch.setattr(recognise, "find_boot_drives", list)
    result = counterhub("flash", "--image", str(write(tmp_path, uf2())))
    assert result.exit_code == 1
    assert "Hold BOOTSEL while" in result.stderr
    assert "mount it" in " ".join(result.stderr.split())


def test_an_image_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "firmware.zip"
    path.write_bytes(b"x")
    result = counterhub("flash", "--image", str(path))
    assert result.exit_code == 2
    assert ".uf2" in result.stderr
    assert counterhub("flash", "--image", str(tmp_path / "absent.uf2")).exit_code == 2
    assert counterhub("flash", "--image", str(tmp_path / "absent.bin")).exit_code == 2


def test_an_esp32_gets_its_image_by_esptool_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.flash.test_esp32 import image

    (tmp_path / "image.bin").write_bytes(image(0))
    written = []
    monkeypatch.setattr(esp32, "write_image", lambda image, port, erase_all: written.append((image.chip, port)))
    with FakeBoard(tmp_path / "flash", "Generic ESP32 module with ESP32", "ESP32_GENERIC") as board:
        result = counterhub("flash", "--port", board.port, "--image", str(tmp_path / "image.bin"))
        assert written == [("esp32", board.port)]
    assert result.exit_code == 0, result.output
    assert "(esp32_devkitc)" in result.stdout


def test_an_esp32_that_shows_no_port_after_its_image_is_told_how_to_erase_its_flash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ESP32-S3 starts its USB behind its file system: other software's remains keep it from ever doing so."""
    from tests.flash.test_esp32 import image

    (tmp_path / "image.bin").write_bytes(image(9))
    port = tmp_path / "port"
    port.touch()
    erased = []

    def write(_image: esp32.EspImage, _port: str, *, erase_all: bool) -> None:
        port.unlink()
        erased.append(erase_all)

    monkeypatch.setattr(esp32, "write_image", write)
    monkeypatch.setattr(flashing, "FIRST_START_WAIT_S", 0)
    result = counterhub("flash", "--port", str(port), "--image", str(tmp_path / "image.bin"))
    assert result.exit_code == 1
    assert "no port" in result.stderr
    assert "--erase-all" in result.stderr
    port.touch()
    counterhub("flash", "--port", str(port), "--image", str(tmp_path / "image.bin"), "--erase-all")
    assert erased == [False, True]


def test_erasing_all_wants_an_esp32s_image(tmp_path: Path) -> None:
    for arguments in ([], ["--image", str(tmp_path / "image.uf2")]):
        result = counterhub("flash", "--erase-all", *arguments)
        assert result.exit_code == 2
        assert ".bin" in result.stderr


def test_backup_copies_and_starts_the_hub_again(board: FakeBoard, tmp_path: Path) -> None:
    (board.root / "board.json").write_text(json.dumps(files.board_file(files.read("pico").text)))
    result = counterhub("backup", str(tmp_path / "kept"), "--port", board.port)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "kept" / "board.json").exists()
    assert board.boots == 2


def test_erase_asks_first(board: FakeBoard) -> None:
    (board.root / "notes.txt").write_text("x")
    result = counterhub("erase", "--port", board.port, answer="n\n")
    assert result.exit_code == 1
    assert "notes.txt" in board.files()
    board.replug()
    assert counterhub("erase", "--port", board.port, answer="y\n").exit_code == 0
    assert board.files() == {}
    assert counterhub("erase", "--port", board.port, "--yes").exit_code == 0


@pytest.mark.parametrize("running", [False, True], ids=["at its prompt", "a running hub"])
def test_repl_gives_the_prompt_in_the_terminal_and_ctrl_bracket_leaves_it(board: FakeBoard, running: bool) -> None:
    if running:
        (board.root / "main.py").write_text("x")
        (board.root / "board.json").write_text(json.dumps(files.board_file(files.read("pico").text)))
        board.replug()
    terminal, theirs = os.openpty()
    command = [sys.executable, "-m", "host_bridge", "repl", "--port", board.port]
    program = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        read_until(terminal, b"Ctrl-]")
        read_until(terminal, b"42", typing=b"\r6*7\r")
        os.write(terminal, b"\x1d")
        assert program.wait(DEADLINE_S) == 0
    finally:
        program.kill()
        program.wait()
        os.close(terminal)


def read_until(terminal: int, wanted: bytes, typing: bytes = b"") -> None:
    """`typing`: again and again; what comes before the program has the terminal is changed by it."""
    seen, end = b"", time.monotonic() + DEADLINE_S
    while wanted not in seen:
        assert time.monotonic() < end, seen
        os.write(terminal, typing)
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 4096)
