"""The hub's active faults: devices raise and clear them by code; whoever shows them listens."""

from hublink.faults import NUMBER_OF


class Faults:
    def __init__(self):
        self.active = set()
        self._listeners = []

    def listen(self, listener):
        """Call `listener()` after each change."""
        self._listeners.append(listener)

    def set(self, code, active):
        """Raise or clear a fault; nothing happens if it is so already."""
        number = NUMBER_OF[code]
        if active == (number in self.active):
            return
        if active:
            self.active.add(number)
        else:
            self.active.discard(number)
        for listener in self._listeners:
            listener()

    def is_active(self, code):
        return NUMBER_OF[code] in self.active

    def numbers(self):
        """The active faults as the link carries them."""
        return bytes(sorted(self.active))
