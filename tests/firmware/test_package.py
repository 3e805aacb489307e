"""What `mip` installs and a custom build freezes is what the flasher lays."""

from __future__ import annotations

import json
from pathlib import Path

import host_bridge

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
PACKAGE = json.loads((FIRMWARE / "package.json").read_text(encoding="utf-8"))


def test_the_package_names_each_file_of_the_firmware_and_no_other() -> None:
    laid = {
        path.relative_to(FIRMWARE).as_posix()
        for folder in ("hub", "hublink")
        for path in (FIRMWARE / folder).glob("*.py")
    }
    assert [target for target, _ in PACKAGE["urls"]] == [source for _, source in PACKAGE["urls"]]
    assert {target for target, _ in PACKAGE["urls"]} == laid | {"boot.py", "main.py"}


def test_package_and_manifest_carry_the_projects_version() -> None:
    manifest = (FIRMWARE / "manifest.py").read_text(encoding="utf-8")
    assert PACKAGE["version"] == host_bridge.__version__ and f'version="{host_bridge.__version__}"' in manifest


def test_the_manifest_freezes_both_packages() -> None:
    frozen: list[str] = []
    names = {"package": frozen.append, "metadata": lambda **values: None}
    exec(compile((FIRMWARE / "manifest.py").read_text(encoding="utf-8"), "manifest.py", "exec"), names)
    assert frozen == ["hub", "hublink"]
