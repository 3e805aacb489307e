"""What the start alone needs. It takes 15 KB of an RP2040's memory, which jobs and scans need more."""

import sys

_MODULES = (
    "hub.app",
    "hub.board",
    "hub.roomy",
    "hub.start_only",
    "hub.technician",
    "hublink.dictionary",
    "hublink.fault_table",
)


def let_go(scope):
    """Forget those modules, in `scope` too, the names of the program that started the hub.

    What still runs must not name them. An import would load them again, as they were before the start.
    """
    modules = [sys.modules.pop(name) for name in _MODULES if name in sys.modules]
    for name, value in list(scope.items()):
        if value in modules:
            del scope[name]
    for name in _MODULES:
        package, own = name.split(".")
        package = sys.modules.get(package)
        if hasattr(package, own):
            delattr(package, own)
