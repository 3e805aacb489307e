"""Lays the firmware on the virtual hub's flash as on a board: code is replaced, the hub's own files stay."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any, Final

CODE: Final = ("boot.py", "main.py", "hub", "hublink")
BOARD_FILE: Final = "board.json"


def find_firmware() -> Path:
    """The firmware's folder: beside host_bridge in a checkout, in the package counterhub_firmware when installed.

    Raises FileNotFoundError.
    """
    checkout = Path(__file__).resolve().parents[2] / "firmware"
    if (checkout / "main.py").is_file():
        return checkout
    spec = importlib.util.find_spec("counterhub_firmware")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        if (Path(place) / "main.py").is_file():
            return Path(place)
    raise FileNotFoundError(f"no firmware: neither {checkout / 'main.py'} nor an installed counterhub_firmware")


def lay_firmware(firmware: Path, flash: Path, board: dict[str, Any]) -> str:
    """Copy the code and write board.json. Returns a digest of all of it."""
    flash.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    for name in CODE:
        _remove(flash / name)
        source = _source(firmware, name)
        if source is None:
            continue
        files = sorted(source.rglob("*.py")) if source.is_dir() else [source]
        for file in files:
            target = flash / name / file.relative_to(source) if source.is_dir() else flash / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
            digest.update(target.relative_to(flash).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    text = json.dumps(board, sort_keys=True)
    (flash / BOARD_FILE).write_text(text)
    digest.update(text.encode())
    return digest.hexdigest()


def _source(firmware: Path, name: str) -> Path | None:
    """Where a part of the firmware lies; an installed hublink is a package of its own."""
    path = firmware / name
    if path.exists():
        return path
    if name == "hublink":
        spec = importlib.util.find_spec("hublink")
        if spec is not None and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations)))
    return None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
