# ruff: noqa: F821 - the manifest's own functions are given by MicroPython's build
"""For a MicroPython build with Counterhub frozen in: include it from the board's manifest.

The board file stays on the file system, and so do boot.py and main.py: a board that is to be updated needs them there.
"""

metadata(description="The hub of Counterhub", version="0.1.0", license="MIT")
package("hub")
package("hublink")
