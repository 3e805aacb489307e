"""The rules of this repository that ruff and mypy don't know. Each returns what breaks it, as `path:line: what`."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE_LINES_LIMIT = 700
TEST_LINES_LIMIT = 1000  # a test module is a flat list: longer before it is hard to read
GIT_DEADLINE_S = 30
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".js", ".css", ".html", ".json", ".sh", ".yml", ".yaml", ".cfg", ".svg"}
TEXT_NAMES = {"Makefile", "LICENSE", "run", ".editorconfig", ".gitattributes", ".gitignore"}

# Not there on MicroPython 1.24, or not on every port; `serial` would be pyserial, which is the host's.
MISSING_ON_MICROPYTHON = frozenset(
    {"typing", "dataclasses", "enum", "abc", "functools", "contextlib", "hmac", "threading", "logging", "pathlib"}
    | {"serial", "__future__", "inspect", "weakref", "queue", "subprocess", "signal", "tempfile", "shutil"}
    | {"multiprocessing", "concurrent"}
)
# `/dev/…` is what a user types; the homes and work folders of one machine are nobody else's.
MACHINE_PATH = re.compile(
    r"(?<![\w.~<>{}$/])/(?:home|Users|root|work|tmp|opt|mnt)/[A-Za-z0-9_.]|[A-Z]:\\\\?Users\\\\?\w"
)
URL = re.compile(r"[a-z][a-z0-9+.-]*://|--(?:extra-)?index-url|--find-links|--trusted-host", re.IGNORECASE)


def tracked_files() -> list[Path]:
    """What git knows or would add; without git, what is there."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=GIT_DEADLINE_S,
        ).stdout
        names = [name for name in listed.decode().split("\0") if name]
    except (OSError, subprocess.SubprocessError):
        hidden = {".venv", ".git", "build", "dist", "node_modules"}
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not hidden & set(path.parts)]
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]


def text_files(files: Iterable[Path]) -> Iterator[Path]:
    return (path for path in files if path.suffix in TEXT_SUFFIXES or path.name in TEXT_NAMES)


def machine_paths(path: Path, text: str) -> list[str]:
    """Paths that exist on one machine only."""
    return [
        f"{path}:{number}: a path of one machine: {match.group().strip()}…"
        for number, line in enumerate(text.splitlines(), 1)
        for match in [MACHINE_PATH.search(line)]
        if match
    ]


def lock_addresses(path: Path, text: str) -> list[str]:
    """Addresses in a lock: where packages come from is each machine's business."""
    return [
        f"{path}:{number}: a lock names an address: {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        if URL.search(line)
    ]


def unlocked_requirements(path: Path, text: str) -> list[str]:
    """Requirements without an exact version and a hash."""
    logical = re.sub(r"\\\n\s*", " ", text).splitlines()
    wanted = [line for line in logical if line.strip() and not line.lstrip().startswith("#")]
    return [f"{path}: not locked: {line[:60]}" for line in wanted if "==" not in line or "--hash=sha256:" not in line]


def long_modules(path: Path, text: str) -> list[str]:
    lines = text.count("\n")
    limit = TEST_LINES_LIMIT if path.name.startswith("test_") else MODULE_LINES_LIMIT
    return [f"{path}: {lines} lines, {limit} at most: split it"] if lines > limit else []


def missing_imports(path: Path, text: str) -> list[str]:
    """Imports that fail on MicroPython, wherever they stand."""
    found: list[str] = []
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        found += [
            f"{path}:{node.lineno}: `{name}` isn't there on MicroPython"
            for name in names
            if name.partition(".")[0] in MISSING_ON_MICROPYTHON
        ]
    return found
