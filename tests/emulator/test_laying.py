"""Laying the firmware on an emulated Pico: patient with a chip that is late, and marked as done only when it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from host_bridge.emulator import hub
from host_bridge.emulator.bridge_time import SECONDS
from host_bridge.emulator.image import PicoImage
from host_bridge.emulator.start import FLASH_FILE
from host_bridge.flash import payload
from host_bridge.flash.errors import FlashError
from host_bridge.flash.install import Plan
from host_bridge.state import Text

IMAGE = PicoImage(Path("pico.uf2"), "0" * 64)
LATE = FlashError(Text("the board stopped answering", "开发板没有应答"))
DONE = Plan((), (), 0)


class FakeHub:
    """A chip whose process is only written down."""

    did: list[str]
    port = ""

    def __init__(self) -> None:
        FakeHub.did = []

    async def start_pico(self, state_dir: Path, image: PicoImage) -> None:
        hub.clock_file(state_dir).write_bytes(SECONDS.pack(0.0))

    async def set_button(self, pressed: bool) -> None:
        self.did.append("button")

    async def press_reset(self) -> None:
        self.did.append("reset")

    async def stop(self) -> None:
        self.did.append("stop")


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What laying brings, one after another: an error to raise, or a plan."""
    outcomes: list[Any] = []

    def lay(*_: object) -> Plan:
        outcome = outcomes.pop(0)
        if isinstance(outcome, FlashError):
            raise outcome
        assert isinstance(outcome, Plan)
        return outcome

    monkeypatch.setattr(hub, "EmulatedHub", FakeHub)
    monkeypatch.setattr(hub, "_lay", lay)
    monkeypatch.setattr(payload, "firmware_files", list)
    hub.folder(tmp_path).mkdir()
    return outcomes


async def lay(state_dir: Path) -> tuple[Plan, list[str]]:
    told: list[str] = []
    done = await hub.prepare(state_dir, IMAGE, lambda text: told.append(text.en), lambda *_: None)
    (hub.folder(state_dir) / FLASH_FILE).touch()
    return done, told


async def test_a_chip_that_answers_late_is_reset_and_laying_goes_on(chip: list[Any], tmp_path: Path) -> None:
    chip += [LATE, LATE, DONE]
    done, told = await lay(tmp_path)
    assert done is DONE and told.count(LATE.reason.en) == 2
    assert FakeHub.did == ["button", "reset"] * 3 + ["stop"]
    assert hub.is_laid(tmp_path, IMAGE)


async def test_a_chip_that_never_answers_ends_with_its_reason_and_is_not_called_laid(
    chip: list[Any], tmp_path: Path
) -> None:
    chip += [DONE]
    await lay(tmp_path)
    chip += [LATE] * hub.LAY_ATTEMPTS
    with pytest.raises(FlashError, match="stopped answering"):
        await lay(tmp_path)
    assert not chip and FakeHub.did[-1] == "stop"
    assert not hub.is_laid(tmp_path, IMAGE)


async def test_another_image_begins_with_an_empty_flash_and_the_same_one_keeps_it(
    chip: list[Any], tmp_path: Path
) -> None:
    chip += [DONE, DONE]
    await lay(tmp_path)
    flash = hub.folder(tmp_path) / FLASH_FILE
    flash.write_bytes(b"kept")
    await lay(tmp_path)
    assert flash.read_bytes() == b"kept"
    other = PicoImage(Path("other.uf2"), "1" * 64)
    assert not hub.is_laid(tmp_path, other)
    chip += [DONE]
    await hub.prepare(tmp_path, other, lambda text: None, lambda *_: None)
    assert not flash.exists()
