"""What is installed is what is in the tree."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path
from typing import Any

import host_bridge
from tests.checks.rules import ROOT, tracked_files

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
HOST = ROOT / "host_bridge"


def test_every_package_of_the_host_is_installed() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in tracked_files()
        if path.suffix == ".py" and HOST in path.parents
    }
    listed = {name for name in SETUPTOOLS["packages"] if name.startswith("host_bridge")}
    assert found == listed


def covered_by_package_data(path: Path) -> bool:
    """Whether one of the patterns of a package above the file takes it along."""
    for package, patterns in SETUPTOOLS["package-data"].items():
        folder = ROOT / SETUPTOOLS["package-dir"].get(package, package.replace(".", "/"))
        if folder in path.parents:
            name = path.relative_to(folder).as_posix()
            if any(fnmatch.fnmatch(name, pattern.replace("**/", "")) for pattern in patterns):
                return True
    return False


def test_every_data_file_is_installed() -> None:
    firmware, boards = ROOT / "firmware", ROOT / "board_configs"
    data = [
        path
        for path in tracked_files()
        if firmware in path.parents or (path.suffix != ".py" and {boards, HOST} & set(path.parents))
    ]
    assert data
    assert [path for path in data if not covered_by_package_data(path)] == []


def test_one_version_everywhere() -> None:
    assert PROJECT["project"]["version"] == host_bridge.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"[{host_bridge.__version__}]" in changelog or "[Unreleased]" in changelog


def test_each_lock_holds_what_the_project_asks_for() -> None:
    run = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8").lower()
    dev = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").lower()
    for requirement in PROJECT["project"]["dependencies"]:
        assert f"\n{requirement.partition('>')[0].lower()}==" in f"\n{run}", requirement
    for requirement in PROJECT["dependency-groups"]["dev"]:
        assert f"\n{requirement.partition('>')[0].lower()}==" in f"\n{dev}", requirement


def test_dev_pins_the_versions_that_run_pins() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        return {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

    assert pins("run") <= pins("dev")
