"""For a MicroPython built with the hub inside: `make BOARD=RPI_PICO FROZEN_MANIFEST=…/firmware/manifest.py`.

The board file, board.json, still goes on the file system: it differs from counter to counter.
"""

package("hublink")  # noqa: F821 - given by MicroPython's build
package("hub")  # noqa: F821
module("boot.py")  # noqa: F821
module("main.py")  # noqa: F821
