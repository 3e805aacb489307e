"""The hub's active faults: devices raise and clear them by code; whoever shows them listens."""

from hublink import fault_table

# Of those that a hub finds out.
_NUMBER_OF = {entry[1]: entry[0] for entry in fault_table.FAULTS if entry[0] < fault_table.FROM_BRIDGE}
fault_table = None  # the hub lets go of it


class Faults:
    def __init__(self):
        self.active = set()
        self._listeners = []

    def listen(self, listener):
        """Call `listener()` after each change."""
        self._listeners.append(listener)

    def set(self, code, active):
        """Raise or clear a fault; nothing happens if it is so already."""
        number = _NUMBER_OF[code]
        if active == (number in self.active):
            return
        if active:
            self.active.add(number)
        else:
            self.active.discard(number)
        for listener in self._listeners:
            listener()

    def is_active(self, code):
        return _NUMBER_OF[code] in self.active

    def numbers(self):
        """The active faults as the link carries them."""
        return bytes(sorted(self.active))
