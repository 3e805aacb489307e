"""What the indicator has to know of a fault: how severe it is, and how often a one-colour LED flashes for it."""

from hublink import fault_table

_BLINKS = bytearray(max(entry[0] for entry in fault_table.FAULTS) + 1)  # by number; 0: there is no such fault
_RANKS = bytearray(len(_BLINKS))  # by number; the most severe have the lowest
for _number, _, _, _severity, _blinks in fault_table.FAULTS:
    _BLINKS[_number] = _blinks
    _RANKS[_number] = fault_table.SEVERITIES.index(_severity)
fault_table = None  # type: ignore[assignment] # a hub lets go of it


def worst(numbers):
    """The fault to show of several: the most severe, then the lowest number; 0 for none or only unknown ones."""
    best, best_rank = 0, (9, 0)
    for number in numbers:
        if blinks(number) and (_RANKS[number], number) < best_rank:
            best, best_rank = number, (_RANKS[number], number)
    return best


def blinks(number):
    """How often the light flashes for it; 0: there is no such fault."""
    return _BLINKS[number] if number < len(_BLINKS) else 0


def is_error(number):
    """A fault for which the counter stands still: neither a warning nor a notice."""
    return blinks(number) > 0 and not _RANKS[number]
