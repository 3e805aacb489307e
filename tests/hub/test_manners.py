"""What the board files say of a port: levels of DTR and RTS, what a pulse does, and who may open it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from host_bridge.boards import files
from host_bridge.config import load
from host_bridge.hub import ports
from host_bridge.hub.manners import host_of, manners_of, may_pulse, udev_rules
from host_bridge.toml_document import ConfigError


def plugged(device: str, vid: int | None, pid: int | None) -> ports.ComPorts:
    port: Any = SimpleNamespace(device=device, vid=vid, pid=pid, description="", manufacturer=None, serial_number=None)
    return lambda: [port]


@pytest.mark.parametrize(
    ("vid", "pid", "helps"),
    [
        (0x2E8A, 0x0005, False),  # a Pico takes no notice
        (0x10C4, 0xEA60, True),  # an ESP32's auto-program circuit restarts it
        (0x303A, 0x4001, False),  # an ESP32-S3's own USB would start its loader
        (0x1234, 0x5678, True),  # nothing is known: whoever configured the step knows
    ],
)
def test_a_port_is_known_by_its_usb_ids(vid: int, pid: int, helps: bool) -> None:
    assert may_pulse(manners_of("/dev/ttyX", plugged("/dev/ttyX", vid, pid))) == helps


def test_a_port_that_is_not_there_or_is_an_address_has_no_manners() -> None:
    assert manners_of("/dev/ttyX", plugged("/dev/ttyY", 0x2E8A, 5)) is None
    assert manners_of("socket://hub:1", plugged("socket://hub:1", 0x2E8A, 5)) is None
    assert manners_of("/dev/ttyS0", plugged("/dev/ttyS0", None, None)) is None


def test_boards_with_the_same_usb_ids_want_the_same() -> None:
    said: dict[str, set[tuple[bool, bool, str]]] = {}
    for name in files.shipped():
        host = host_of(name)
        for usb_id in host.usb_ids:
            said.setdefault(usb_id, set()).add((host.dtr, host.rts, host.dtr_rts))
    assert said and all(len(each) == 1 for each in said.values())


def test_the_udev_rules_name_each_boards_ids_and_keep_modemmanager_away() -> None:
    rules = [line for line in udev_rules().splitlines() if not line.startswith("#")]
    for usb_id in {usb_id for name in files.shipped() for usb_id in host_of(name).usb_ids}:
        vendor, product = usb_id.split(":")
        rule = next(line for line in rules if f'"{vendor}"' in line and f'"{product}"' in line)
        assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in rule and 'TAG+="uaccess"' in rule


def test_the_configuration_may_name_the_board_and_a_wrong_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "counterhub.toml"
    path.write_text('[hub]\nboard = "esp32_s3_devkitc"\n')
    assert not may_pulse(host_of(load(path).hub.board or ""))
    path.write_text('[hub]\nboard = "esp33"\n')
    with pytest.raises(ConfigError, match="esp33"):
        load(path)
    (tmp_path / "mine.toml").write_text("name = 3")
    path.write_text(f'[hub]\nboard = "{tmp_path / "mine.toml"}"\n')
    with pytest.raises(ConfigError, match="board file"):
        load(path)
