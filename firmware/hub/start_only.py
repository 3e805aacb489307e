"""What the start alone needs. It takes 15 KB of an RP2040's memory, which jobs and scans need more."""

import sys

_MODULES = (
    "hub.app",
    "hub.board",
    "hub.lights",
    "hub.roomy",
    "hub.start_only",
    "hub.technician",
    "hub.ways",
    "hublink.dictionary",
    "hublink.fault_table",
)


def let_go(scope):
    """Forget those modules, in `scope` too, the names of the program that started the hub.

    What still runs must not name them. An import would load them again, as they were before the start.
    """
    for name in _MODULES:
        module = sys.modules.get(name)
        _drop(sys.modules, name)
        package, own = name.split(".")
        package = sys.modules.get(package)
        if hasattr(package, own):
            setattr(package, own, None)
            delattr(package, own)
        for known in [known for known in scope if module and scope[known] is module]:
            _drop(scope, known)


def _drop(names, name):
    """MicroPython's tables keep the value of a name that is taken out (py/map.c, mp_map_lookup)."""
    if name in names:
        names[name] = None
        del names[name]
