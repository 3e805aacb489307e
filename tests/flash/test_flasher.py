"""Flashing a board over a pseudo-terminal, with the real mpremote."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_bridge.boards import files
from host_bridge.boards.files import BoardFile
from host_bridge.flash import flasher as flasher_module
from host_bridge.flash import greeting, prompt, recognise, workbench
from host_bridge.flash.errors import FlashError
from host_bridge.flash.flasher import Flashed, Flasher
from host_bridge.flash.payload import LaidFile
from host_bridge.state import Text

pytest.importorskip("mpremote")
if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is needed", allow_module_level=True)

from tests.flash.fake_board import FakeBoard

FIRMWARE = [
    LaidFile("hublink/link.mpy", bytes(range(256)) * 5),
    LaidFile("hub/app.mpy", b"app\r\n\x03\x04" * 200),
    LaidFile("boot.py", b"boot"),
    LaidFile("main.py", b"main"),
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake board answers at once."""
    from mpremote.transport_serial import SerialTransport

    monkeypatch.setattr(SerialTransport.exec_raw, "__defaults__", (0.5, None))  # how long mpremote waits for an answer
    monkeypatch.setattr(prompt, "BREAK_IN_S", 0.2)
    monkeypatch.setattr(prompt, "PROMPT_TIMEOUT_S", 0.5)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[FakeBoard]:
    with FakeBoard(tmp_path / "flash") as board:
        yield board


class Technician:
    """Does what is asked, and keeps what was said."""

    def __init__(self, board: FakeBoard) -> None:
        self.board = board
        self.told: list[Text] = []

    def hear(self, text: Text) -> None:
        self.told.append(text)
        if "safe-mode button" in text.en:
            self.board.replug(button=True)

    def flash(
        self, firmware: list[LaidFile] = FIRMWARE, board: BoardFile | None = None, name: str | None = None
    ) -> Flashed:
        flasher = Flasher(self.hear, replug_wait_s=10)
        return flasher.flash(self.board.port, firmware, board, name, lambda _path, _done, _total: None)

    def said(self) -> str:
        return "\n".join(text.en for text in self.told)


def test_an_empty_pico_becomes_a_hub_that_greets_by_its_name(board: FakeBoard) -> None:
    done = Technician(board).flash(name="counter-3")
    assert done.board == "pico"
    assert done.hello["name"] == "counter-3"
    assert done.identity.unique_id == b"\xe6\x60\x58\x38"
    laid = board.files()
    assert json.loads(laid.pop("board.json")) == files.board_file(files.read("pico").text, "counter-3")
    assert laid == {file.path: file.data for file in FIRMWARE}


@pytest.mark.parametrize("obeys", [True, False], ids=["hands-free", "an old one by its button"])
def test_a_running_hub_is_taken_over_and_only_the_change_is_laid(
    board: FakeBoard, obeys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not obeys:
        monkeypatch.setattr(flasher_module, "RESTART_WAIT_S", 0.5)  # it is waited for in vain
    board.obeys = obeys
    technician = Technician(board)
    technician.flash(name="counter-3")
    changed = [LaidFile("hub/app.mpy", b"newer") if file.path == "hub/app.mpy" else file for file in FIRMWARE]
    done = technician.flash(changed)
    assert [file.path for file in done.plan.write] == ["hub/app.mpy", "main.py"]
    assert done.hello["name"] == "counter-3", "a hub keeps its name"
    assert ("safe-mode button" in technician.said()) == (not obeys)
    again = technician.flash(changed)
    assert again.plan.is_empty


def test_a_hub_that_ctrl_c_kept_from_reading_its_request_starts_all_the_same(board: FakeBoard) -> None:
    technician = Technician(board)
    technician.flash(name="counter-3")
    board.interrupted = True
    assert technician.flash().plan.is_empty
    assert board.running


def test_a_hub_keeps_wiring_of_its_own_unless_another_is_named(board: FakeBoard) -> None:
    own = files.board_file(files.read("pico").text) | {"name": "counter-own", "watchdog_ms": 5000}
    (board.root / "board.json").write_text(json.dumps(own))
    technician = Technician(board)
    assert technician.flash().board == "counter-own"
    assert json.loads(board.files()["board.json"]) == own
    assert technician.flash(board=files.read("pico")).board == "pico"
    assert json.loads(board.files()["board.json"])["watchdog_ms"] == 8000


def test_a_damaged_board_file_is_replaced(board: FakeBoard) -> None:
    (board.root / "board.json").write_bytes(b'{"name": "pi')
    technician = Technician(board)
    assert technician.flash().board == "pico"
    assert "damaged" in technician.said()


@pytest.mark.parametrize(("renames_over", "cuts"), [(True, (2, 5, 10, 14)), (False, (7, 13))])
def test_a_power_cut_in_the_middle_is_repaired_by_the_same_command(
    tmp_path: Path, renames_over: bool, cuts: tuple[int, ...]
) -> None:
    """tests/flash/test_install.py cuts at every moment; here the real mpremote meets it."""
    small = [LaidFile(file.path, file.data[:600]) for file in FIRMWARE]
    wanted = {file.path: file.data for file in small}
    for operations in cuts:
        with FakeBoard(tmp_path / f"flash-{operations}") as board:
            board.renames_over = renames_over
            (board.root / "main.py").write_bytes(b"old")
            (board.root / "board.json").write_text(json.dumps(files.board_file(files.read("pico").text)))
            board.replug(button=True)
            board.cut_after = operations
            technician = Technician(board)
            with pytest.raises(FlashError, match="stopped answering"):
                technician.flash(small)
            laid = board.files()
            assert "main.py" not in laid
            done = technician.flash(small)
            assert done.hello["board"] == "pico"
            assert {path: data for path, data in board.files().items() if path != "board.json"} == wanted


def test_the_wrong_board_is_not_flashed(tmp_path: Path) -> None:
    with FakeBoard(tmp_path / "flash", "Generic ESP32 module with ESP32", "ESP32_GENERIC") as board:
        with pytest.raises(FlashError, match="pico is for rp2040"):
            Technician(board).flash(board=files.read("pico"))
        assert board.files() == {}
        assert Technician(board).flash().board == "esp32_devkitc"


@pytest.mark.parametrize("operations", [None, 0, 1, 2, 5])
def test_an_esp32_whose_flash_held_other_software_gets_a_file_system_and_if_cut_off_by_the_same_command(
    tmp_path: Path, operations: int | None
) -> None:
    board = FakeBoard(tmp_path / "flash", "Generic ESP32 module with ESP32", "ESP32_GENERIC")
    board.formatted = False
    with board:
        technician = Technician(board)
        if operations is not None:
            board.cut_after = operations
            with pytest.raises(FlashError, match="stopped answering"):
                technician.flash()
        assert technician.flash().hello["board"] == "esp32_devkitc"
    assert "no file system" in technician.said()
    assert {path: data for path, data in board.files().items() if path != "board.json"} == {
        file.path: file.data for file in FIRMWARE
    }


def test_a_file_system_that_is_only_not_mounted_keeps_its_files(board: FakeBoard) -> None:
    (board.root / "notes.txt").write_text("x")
    board.mounted = False
    Technician(board).flash()
    assert board.files()["notes.txt"] == b"x"


def test_the_wrong_board_is_not_formatted(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path / "flash", "Generic ESP32 module with ESP32", "ESP32_GENERIC")
    board.formatted = False
    with board, pytest.raises(FlashError, match="pico is for rp2040"):
        Technician(board).flash(board=files.read("pico"))
    assert board.operations == 0


def test_a_board_that_is_not_known_wants_a_file(tmp_path: Path) -> None:
    with (
        FakeBoard(tmp_path / "flash", "Teensy 4.1 with MIMXRT1062DVJ6A", "TEENSY41") as board,
        pytest.raises(FlashError, match="no board file for 'Teensy"),
    ):
        Technician(board).flash()


def test_an_old_micropython_is_said(board: FakeBoard) -> None:
    board.version = (1, 22, 2)
    with pytest.raises(FlashError, match=r"expected MicroPython 1\.24 or later, found 1\.22\.2"):
        Technician(board).flash()


@pytest.mark.parametrize(("flags", "greets_as", "words"), [(1, None, "safe mode"), (0, "unknown", "greets as board")])
def test_a_hub_that_greets_on_something_else_than_was_laid_is_no_success(
    board: FakeBoard, flags: int, greets_as: str | None, words: str
) -> None:
    board.flags, board.greets_as = flags, greets_as
    with pytest.raises(FlashError, match=words):
        Technician(board).flash()


def test_a_full_file_system_is_said_and_main_is_not_there(board: FakeBoard) -> None:
    board.full_after_bytes = 1000
    with pytest.raises(FlashError, match="full"):
        Technician(board).flash()
    assert "main.py" not in board.files()


def test_a_board_without_a_prompt_is_given_up_with_advice(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flasher_module, "RESTART_WAIT_S", 0.5)
    board.obeys = False
    (board.root / "main.py").write_text("x")
    (board.root / "board.json").write_text('{"name": "pico", "link": {}}')
    board.replug()
    flasher = Flasher(lambda text: None, replug_wait_s=0.1)
    with pytest.raises(FlashError, match="no MicroPython prompt") as caught:
        flasher.flash(board.port, FIRMWARE, None, None, lambda *_: None)
    assert caught.value.remedy is not None
    assert "BOOTSEL" in caught.value.remedy.en


@pytest.mark.parametrize(("found", "words"), [([], "no board was found"), (["a", "b"], "several boards")])
def test_no_port_or_several_is_a_question(found: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "find_boot_drives", list)
    with pytest.raises(FlashError, match=words):
        Flasher(lambda text: None, find=lambda port: found).flash("auto", FIRMWARE, None, None, lambda *_: None)


def test_a_pico_that_waits_without_micropython_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = recognise.BootDrive(Path("RPI-RP2"), "rp2040", "Raspberry Pi RP2")
    monkeypatch.setattr(recognise, "find_boot_drives", lambda: [drive])
    with pytest.raises(FlashError, match=r"waits for MicroPython.*RPI-RP2") as caught:
        Flasher(lambda text: None, find=lambda port: []).flash("auto", FIRMWARE, None, None, lambda *_: None)
    assert caught.value.remedy is not None
    assert "micropython.org/download" in caught.value.remedy.en
    assert "--image" in caught.value.remedy.en


def test_a_port_that_is_not_there_is_said() -> None:
    with pytest.raises(FlashError, match="no-such-port"):
        Flasher(lambda text: None).flash("/dev/no-such-port", FIRMWARE, None, None, lambda *_: None)


def test_a_port_that_a_running_bridge_holds_is_said(board: FakeBoard) -> None:
    import serial

    with serial.Serial(board.port, exclusive=True), pytest.raises(FlashError, match=r"in use|busy") as caught:
        Flasher(lambda text: None).flash(board.port, FIRMWARE, None, None, lambda *_: None)
    assert caught.value.remedy is not None
    assert "stop it first" in caught.value.remedy.en


@pytest.mark.parametrize("name", ["", "x" * 41, "收" * 14])
def test_a_name_that_does_not_fit_is_refused_before_the_board_is_touched(board: FakeBoard, name: str) -> None:
    with pytest.raises(FlashError, match="1 to 40 bytes"):
        Technician(board).flash(name=name)
    assert board.operations == 0


def test_a_hub_that_does_not_greet_is_quoted(board: FakeBoard) -> None:
    with pytest.raises(FlashError, match="did not greet"):
        greeting.wait_for_greeting(board.port, 0.3)


# --- backup and erase


def test_a_backup_holds_every_file(board: FakeBoard, tmp_path: Path) -> None:
    Technician(board).flash()
    board.replug(button=True)
    with Flasher(lambda text: None).prompt(board.port) as at_prompt:
        count = workbench.backup(at_prompt, tmp_path / "kept", lambda path: None)
    kept = {
        path.relative_to(tmp_path / "kept").as_posix(): path.read_bytes() for path in (tmp_path / "kept").rglob("*.*")
    }
    assert kept == board.files()
    assert count == len(kept)


def test_a_backup_overwrites_nothing(board: FakeBoard, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with (
        Flasher(lambda text: None).prompt(board.port) as at_prompt,
        pytest.raises(FlashError, match="not empty"),
    ):
        workbench.backup(at_prompt, tmp_path, lambda path: None)


def test_erasing_takes_every_file(board: FakeBoard) -> None:
    Technician(board).flash()
    board.replug(button=True)
    with Flasher(lambda text: None).prompt(board.port) as at_prompt:
        assert workbench.erase(at_prompt) == len(FIRMWARE) + 1
    assert list(board.root.iterdir()) == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/..", "C:\\x", "a\\b"])
def test_a_name_from_the_board_does_not_lead_out_of_the_backup(path: str, tmp_path: Path) -> None:
    class Hostile:
        def files(self) -> dict[str, prompt.FileOnBoard]:
            return {path: prompt.FileOnBoard(1, "")}

        def read(self, _path: str) -> bytes:
            return b"x"

        def remove(self, _path: str) -> None: ...
        def remove_folder(self, _path: str) -> None: ...
        def sync(self) -> None: ...

    with pytest.raises(FlashError, match="strange name"):
        workbench.backup(Hostile(), tmp_path / "kept", lambda path: None)
