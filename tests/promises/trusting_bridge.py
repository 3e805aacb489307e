"""The bridge, but it hands back to a primary path that was heard for half a second, in the middle of a job too."""

from __future__ import annotations

from functools import partial

from host_bridge.cli import main
from host_bridge.hub import backup

if __name__ == "__main__":
    trusting = partial(backup.PathLimits, steady_ms=500, patience_ms=100)
    backup.PathLimits = trusting  # type: ignore[assignment, misc]
    main()
