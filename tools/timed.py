"""Run a command, and say what it is and how long it took: `python tools/timed.py WORDS COMMAND…`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print("usage: timed.py WORDS COMMAND…", file=sys.stderr)
        return 2
    words, *command = arguments
    print(paint("36", f"── {words}"), flush=True)
    started = time.monotonic()
    try:
        code = _run(command)
    except FileNotFoundError:
        print(f"error: {command[0]} isn't there; `make setup` installs it", file=sys.stderr)
        code = 127
    seconds = time.monotonic() - started
    outcome = paint("32", "passed") if code == 0 else paint("31;1", f"failed (exit code {code})")
    print(f"{paint('36', '──')} {words}: {outcome} after {seconds:.0f} s", flush=True)
    return code if code >= 0 else 128 - code


def _run(command: list[str]) -> int:
    """Ctrl-C is the command's own affair: it may have something to say before it ends."""
    with subprocess.Popen(command) as process:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return process.wait()


def paint(code: str, text: str) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{code}m{text}\033[0m"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
