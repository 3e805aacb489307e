"""`counterhub boards`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from host_bridge.boards import files
from host_bridge.boards.chips import MODELS
from host_bridge.cli.app import app


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("COUNTERHUB_LANG", "en")


def counterhub(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["boards", *arguments])


def wrong_file(folder: Path) -> Path:
    path = folder / "mine.toml"
    path.write_text(files.read("pico").text.replace("tx = 0", "tx = 8"), encoding="utf-8")
    return path


def test_lists_the_boards() -> None:
    result = counterhub("list")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in files.shipped())
    listed = json.loads(counterhub("list", "--json").stdout)
    assert {board["name"]: board["chip"] for board in listed}["pico_2_w"] == "rp2350"


def test_all_boards_are_checked_if_none_is_named() -> None:
    result = counterhub("check")
    assert result.exit_code == 0
    assert result.stdout.count("✔") == len(files.shipped())


def test_a_wrong_file_ends_with_2_and_names_the_pins_that_would_do(tmp_path: Path) -> None:
    path = wrong_file(tmp_path)
    result = counterhub("check", "pico", str(path))
    assert result.exit_code == 2
    assert "✔ pico.toml: good" in result.stdout
    assert "printer.tx: GPIO8 can't be UART0 TX" in result.stdout
    assert "pins that would do: 0, 12, 28" in result.stdout
    assert "可用引脚：0, 12, 28" in counterhub("check", str(path), "--lang", "zh").stdout
    good, bad = json.loads(counterhub("check", "pico", str(path), "--json").stdout)
    assert (good["ok"], bad["ok"], bad["findings"][0]["pins"]) == (True, False, [0, 12, 28])


def test_a_warning_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(files.read("pico").text.replace("drawer_pull_down_ohms = 10000", ""), encoding="utf-8")
    result = counterhub("check", str(path))
    assert result.exit_code == 0
    assert "! " in result.stdout


def test_shows_the_wiring_in_the_terminal() -> None:
    result = counterhub("show", "pico")
    assert result.exit_code == 0
    assert "printer.tx violet ━━╋    1 GP0" in result.stdout
    assert "T1 IN → 3 RXD" in result.stdout
    assert "小票打印机" in counterhub("show", "pico", "--lang", "zh").stdout


def test_the_text_picture_lines_up_in_both_languages() -> None:
    from rich.cells import cell_len

    for language in ("en", "zh"):
        lines = [
            line for line in counterhub("show", "pico", "--lang", language).stdout.splitlines() if "━━╋" in line[:60]
        ]
        assert len({cell_len(line[: line.index("╋")]) for line in lines}) == 1


def test_the_text_picture_names_every_pin_of_the_header_whole() -> None:
    for name in ("pico", "esp32_devkitc", "esp32_s3_devkitc"):
        shown = counterhub("show", name).stdout
        model = MODELS[files.parse(files.read(name).text).port]
        for pin in model.header():
            assert re.search(rf"{pin.number}\s+{pin.label}\b|\b{pin.label}\s+{pin.number}\b", shown), pin


def test_json_names_each_wire() -> None:
    wires = json.loads(counterhub("show", "esp32_devkitc", "--json").stdout)["wires"]
    (kick,) = [wire for wire in wires if wire["key"] == "drawer.kick[0]"]
    assert (kick["pin"], kick["gpio"], kick["device_terminal"]) == ("J3-9", 18, "2")


def test_writes_an_svg(tmp_path: Path) -> None:
    path = tmp_path / "pico.svg"
    assert counterhub("show", "pico", "--svg", str(path)).exit_code == 0
    assert path.read_text(encoding="utf-8") == counterhub("show", "pico", "--svg", "-").stdout


@pytest.mark.parametrize("arguments", [("show", "nix"), ("check", "nix"), ("check", "nix.toml"), ("show", "virtual")])
def test_what_is_not_there_is_said_with_2(arguments: tuple[str, str]) -> None:
    result = counterhub(*arguments)
    assert result.exit_code == 2
    assert "error: " in result.stderr


def test_a_wrong_board_is_not_drawn(tmp_path: Path) -> None:
    result = counterhub("show", str(wrong_file(tmp_path)))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "GPIO8" in result.stderr


def test_an_svg_that_can_not_be_written(tmp_path: Path) -> None:
    result = counterhub("show", "pico", "--svg", str(tmp_path / "no" / "such.svg"))
    assert result.exit_code == 2
    assert "such.svg" in result.stderr


def test_a_folder_is_no_board_file(tmp_path: Path) -> None:
    assert counterhub("check", str(tmp_path)).exit_code == 2
