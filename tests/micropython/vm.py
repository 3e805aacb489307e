"""Runs things on MicroPython's WebAssembly build under Node, from a test."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from host_bridge.virtual import wires
from host_bridge.virtual.edge import Boot
from host_bridge.virtual.micropython_vm import installation

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware"
DEADLINE_S = 60


def why_skipped() -> str | None:
    """Why there is no MicroPython to test on, None if there is: without Node there is none."""
    try:
        installation.find_node()
    except installation.EngineMissing as error:
        return str(error)
    return None


def run_folder(folder: Path) -> str:
    """Run the folder's main.py on the bare interpreter; what it printed. AssertionError if it raised."""
    command = [str(installation.find_node()), str(HERE / "run.mjs"), str(installation.find_module()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_chip(flash: Path, until: str) -> str:
    """Run the flash's boot.py and main.py on the chip until they have printed `until`; all that they printed."""
    chip = subprocess.Popen(installation.command(flash), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert chip.stdin is not None and chip.stdout is not None
    try:
        chip.stdin.write(wires.encode(wires.BOOT, wires.PWRON_RESET, msgspec.json.encode(Boot())))
        chip.stdin.flush()
        decoder, text = wires.Decoder(wires.FROM_CHIP), ""
        while until not in text:
            ready, _, _ = select.select([chip.stdout], [], [], DEADLINE_S)
            data = os.read(chip.stdout.fileno(), 65536) if ready else b""
            assert data, f"{until!r} did not come: {text}"
            text += "".join(frame.payload.decode() for frame in decoder.feed(data) if frame.kind == wires.TEXT)
        return text
    finally:
        chip.kill()
        chip.wait()
        chip.stdin.close()
        chip.stdout.close()


def run_with_hublink(folder: Path, module: str, data: dict[str, Any], main: str) -> list[Any]:
    """Run `main` with the firmware's own hublink, a module of this folder and JSON files; the JSON lines it printed."""
    folder.mkdir()
    (folder / "hublink").mkdir()
    for file in (FIRMWARE / "hublink").glob("*.py"):
        (folder / "hublink" / file.name).write_bytes(file.read_bytes())
    (folder / f"{module}.py").write_bytes((HERE / f"{module}.py").read_bytes())
    for name, contents in data.items():
        (folder / name).write_text(json.dumps(contents), encoding="utf-8")
    (folder / "main.py").write_text(main)
    return [json.loads(line) for line in run_folder(folder).splitlines()]
