"""Install MicroPython's WebAssembly build: `python -m host_bridge.virtual.micropython_vm`."""

from __future__ import annotations

import sys

from host_bridge.virtual.micropython_vm.installation import EngineMissing, install

if __name__ == "__main__":
    try:
        sys.stdout.write(f"MicroPython's WebAssembly build is in {install()}\n")
    except EngineMissing as problem:
        sys.exit(f"error: {problem}")
