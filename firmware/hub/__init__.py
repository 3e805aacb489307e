"""The hub: one module a device, a supervisor, and the link to the bridge. Runs on MicroPython 1.24 and later."""

VERSION = "0.1.0"
