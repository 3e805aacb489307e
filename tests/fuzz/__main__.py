"""Fuzz what takes bytes from outside: `python -m tests.fuzz http --inputs 100000 --seed 1`, or `all`.

Seeded, and without tools; with `--guided` atheris (`pip install atheris`, Linux and macOS) looks for inputs that reach
new code, and adds what it finds to a working corpus in build/fuzz. A failure is kept there and named with the command
that replays it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __package__:
    sys.path[:0] = [str(Path(__file__).parents[2] / "firmware")]

from tests.fuzz.mutator import Mutator

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
WORK = ROOT / "build" / "fuzz"
NAMES = ("commands", "receipt", "answers", "frames", "configuration", "board", "raw", "http")
SLOW_S = 5.0  # an input that takes longer is a failure: somebody waits for it


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", choices=[*NAMES, "all"])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="by atheris, towards code not reached yet")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="only this input")
    options = parser.parse_args()
    if options.replay is not None:
        _targets()[options.target].check(options.replay.read_bytes())
        print("nothing broke")
        return 0
    if options.guided:
        return guided(options.target, options.inputs, options.seed)
    for name in NAMES if options.target == "all" else (options.target,):
        began = time.monotonic()
        done = run(name, options.inputs, options.seed)
        print(f"{name}: {done} inputs in {time.monotonic() - began:.0f} s, seed {options.seed}", flush=True)
        if done < options.inputs:
            return 1
    return 0


def run(name: str, inputs: int, seed: int, tell: Callable[[str], None] = print) -> int:
    """So many inputs, or up to the first that breaks something; how many held."""
    target = _targets()[name]
    mutator = Mutator([*target.seeds(), *corpus(name)], target.words, target.input_bytes_max, seed)
    for number in range(inputs):
        data = mutator.input()
        if not holds(name, target.check, data, tell):
            return number
    return inputs


def holds(name: str, check: Callable[[bytes], None], data: bytes, tell: Callable[[str], None] = print) -> bool:
    """Whether the promise held for one input. One that broke it is kept, and the replay told."""
    began = time.monotonic()
    try:
        check(data)
        took_s = time.monotonic() - began
        assert took_s < SLOW_S, f"it took {took_s:.1f} s"
    except Exception:
        WORK.mkdir(parents=True, exist_ok=True)
        kept = WORK / f"{name}-failed.bin"
        kept.write_bytes(data)
        tell(traceback.format_exc())
        tell(
            f"{name}: {len(data)} bytes broke it; replay: python -m tests.fuzz {name} --replay {kept.relative_to(ROOT)}"
        )
        return False
    return True


def corpus(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*.bin"))]


def guided(name: str, inputs: int, seed: int) -> int:
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        print("--guided needs atheris, which is not here: pip install atheris (Linux and macOS)", file=sys.stderr)
        return 1
    if name == "all":
        print("--guided takes one target at a time", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["host_bridge", "hublink"]):
        target = _targets()[name]
    work = WORK / name
    work.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate([*target.seeds(), *corpus(name)]):
        (work / f"seed-{number:03}").write_bytes(data)
    words = WORK / f"{name}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))

    def one(data: bytes) -> None:
        if not holds(name, target.check, data):
            raise AssertionError(name)

    limits = [f"-runs={inputs}", f"-seed={seed}", f"-max_len={target.input_bytes_max}", f"-dict={words}"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={WORK}/", str(work)], one)
    with contextlib.suppress(SystemExit):
        atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _targets() -> Any:
    return importlib.import_module("tests.fuzz.targets").TARGETS


if __name__ == "__main__":
    raise SystemExit(main())
