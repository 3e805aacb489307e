"""Makes names quick to find: the calls of a class with many methods and attributes.

MicroPython keeps the names of an instance, of a class or of a module in a table that it fills to the last place before
it takes a larger one (py/map.c). A name that is not in a full table is looked for in every place of it, and each call
of a method asks the instance first, each call of a builtin the module. Of the link alone that was a fifth of what a
printed byte costs an RP2040.
"""

_SIZES = (17, 23, 29, 37, 47, 59, 73, 97, 127, 167)  # of py/map.c's tables, above the smallest
# Any names that the interpreter has anyway, and nobody here uses.
_FILLERS = (
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "EOFError",
    "ImportError",
    "IndentationError",
    "IndexError",
    "KeyError",
    "LookupError",
    "MemoryError",
    "NameError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "RuntimeError",
    "SyntaxError",
    "TypeError",
    "UnicodeError",
    "ValueError",
    "ZeroDivisionError",
)


def spread(owner):
    """Give an instance, a class or a module a table of which a quarter is empty, or more."""
    count = len(owner.__dict__)
    full = 0
    for size in _SIZES:
        if size * 5 >= count * 8:
            break
        full = size
    fillers = _FILLERS[: max(0, full + 1 - count)]
    for name in fillers:
        setattr(owner, name, None)
    for name in fillers:
        delattr(owner, name)
