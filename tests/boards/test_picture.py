"""The wiring pictures: complete, current, and well-formed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from host_bridge.boards import files, picture, wiring
from host_bridge.boards.check import uses
from host_bridge.boards.files import BoardFile

DOCS = Path(__file__).parents[2] / "docs" / "wiring"
BOARDS = [name for name in files.shipped() if name != "virtual"]
SVG = "{http://www.w3.org/2000/svg}"


def draw(text: str) -> tuple[wiring.Wiring, str]:
    board = files.parse(text)
    plan = wiring.plan(board)
    return plan, picture.draw(plan, board.title)


def words(svg: str) -> list[str]:
    return [" ".join((each.text or "").split()) for each in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", BOARDS)
def test_the_picture_in_the_documents_is_the_boards(name: str) -> None:
    current = draw(files.read(name).text)[1]
    kept = (DOCS / f"{name}.svg").read_text(encoding="utf-8")
    assert kept == current, f"run: counterhub boards show {name} --svg docs/wiring/{name}.svg"


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in DOCS.glob("*.svg")} == set(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_every_pin_of_the_file_is_wired(name: str) -> None:
    text = files.read(name).text
    plan, _ = draw(text)
    wired = {wire.key: wire.pin.gpio for module in plan.modules for wire in module.wires}
    assert wired == {use.key: use.gpio for use in uses(files.parse(text))}


@pytest.mark.parametrize("name", BOARDS)
def test_no_two_wires_of_one_side_share_a_colour(name: str) -> None:
    plan, _ = draw(files.read(name).text)
    wires = [(module.side, wire.colour) for module in plan.modules for wire in module.wires]
    assert len(wires) == len(set(wires))


@pytest.mark.parametrize("name", BOARDS)
def test_all_that_a_technician_needs_is_on_it_in_two_languages(name: str) -> None:
    plan, svg = draw(files.read(name).text)
    said = words(svg)
    for pin in plan.model.header():
        assert pin.label in said
    for part in ("MAX3232", "MOSFET", "1N4007", "330 Ω", "24 V +", "24 V −"):
        assert part in said
    ohms = files.parse(files.read(name).text).wiring.drawer_pull_down_ohms
    assert ohms is not None
    assert f"{ohms / 1000:g} kΩ" in said
    for english, chinese in (("Receipt printer, DB-25", "小票打印机（DB-25）"), ("Safe-mode button", "安全模式按钮")):
        assert english in said
        assert chinese in said
    assert "violet 紫" in said


def test_a_value_that_is_missing_is_marked_on_the_picture() -> None:
    text = files.read("pico").text.replace("drawer_pull_down_ohms = 10000", "")
    assert "10 kΩ !" in words(draw(text)[1])


def test_a_backup_link_is_drawn_as_a_cable_of_its_own() -> None:
    text = files.read("esp32_s3_devkitc").text
    backup = '[backup_link]\ntransport = "uart"\nuart = 2\ntx = 17\nrx = 18\nbaud_rate = 115200\n\n'
    scanner, drawer = text.index("[scanner]"), text.index("[drawer]")
    plan, svg = draw(text[:scanner] + backup + text[drawer:])
    assert {wire.key for wire in plan.modules[0].wires} == {"backup_link.tx", "backup_link.rx"}
    assert any("backup link" in word for word in words(svg))


def test_ttl_devices_stand_without_a_level_shifter() -> None:
    text = files.read("pico").text.replace('"rs232"', '"ttl"')
    assert "MAX3232" not in words(draw(text)[1])


def test_a_wire_from_the_far_side_of_the_board_is_a_tag() -> None:
    text = files.read("pico").text.replace("kick = [17]", "kick = [17, 15]")
    said = words(draw(text)[1])
    assert "GP15 · 20" in said
    assert "5 open drawer 2 电磁铁" in said


@pytest.mark.parametrize("light", ['kind = "mono"\npin = 20', 'kind = "ws2812"\npin = 20'])
def test_other_lights_are_drawn_too(light: str) -> None:
    lines = [line for line in files.read("pico").text.splitlines() if not line.startswith(("red", "green", "blue"))]
    plan, _ = draw("\n".join(lines).replace('kind = "rgb"', light))
    assert [wire.key for module in plan.modules for wire in module.wires if module.kind == "light"] == ["indicator.pin"]


def test_a_title_can_not_break_the_document() -> None:
    plan = wiring.plan(files.parse(files.read("pico").text))
    ET.fromstring(picture.draw(plan, "<b> & \"Kasse\" 'x'"))


def test_the_virtual_hub_has_no_picture() -> None:
    with pytest.raises(wiring.NoPicture):
        draw(files.read("virtual").text)


def test_a_file_of_ones_own_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(files.read("pico").text, encoding="utf-8-sig")
    assert files.read(str(path)) == BoardFile(str(path), files.read("pico").text)


def test_a_file_that_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.toml"
    path.write_bytes(b"#" * (files.FILE_BYTES_MAX + 1))
    with pytest.raises(ValueError, match="at most"):
        files.read(str(path))
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(ValueError, match="UTF-8"):
        files.read(str(path))
