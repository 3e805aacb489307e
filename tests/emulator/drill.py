"""What is laid before the firmware's main.py: faults as bugs would be, set off from outside.

By pins that the board leaves free: the hub tells its heap; counts as one that has lived for a minute; and the task of
that number hangs or dies at its work.
"""

from typing import Final

HEAP_PIN, SETTLE_PIN, ARM_PIN, DIE_PIN, NUMBER_PINS = 7, 8, 10, 11, (12, 13, 14, 15)
# A scan of this code hangs the scanner's task.
HANGING_CODE: Final = "HANG"
DRILL: Final = f"""
import asyncio, gc, time
from hub import scanner, supervisor, survival
from machine import Pin
_heap, _settle, _arm, _die = [
    Pin(number, Pin.IN, Pin.PULL_DOWN) for number in {(HEAP_PIN, SETTLE_PIN, ARM_PIN, DIE_PIN)}
]
_number = [Pin(number, Pin.IN, Pin.PULL_DOWN) for number in {NUMBER_PINS}]
_names = []
_add = supervisor.Supervisor.add
_work = supervisor.Task.work
_keep = scanner.Scanner._keep
def _add_and_tell(self, name, *more):
    _names.append(name)
    print("<task %s>" % name)
    return _add(self, name, *more)
_spent = False  # a task dies once each time the drill is armed
def _work_or_fail(self, step):
    global _spent
    _work(self, step)
    if not _arm.value():
        _spent = False
    elif not _spent and self.name == _names[sum(bit.value() << at for at, bit in enumerate(_number))]:
        _spent = True
        if _die.value():
            raise ValueError("drill")
        while True:
            time.sleep_ms(50)
def _keep_or_hang(self, data, now):
    while b"{HANGING_CODE}" in data:
        time.sleep_ms(50)
    return _keep(self, data, now)
async def _serve_pins():
    while True:
        await asyncio.sleep_ms(100)
        if _settle.value():
            survival.has_settled()
        if _heap.value():
            gc.collect()
            print("<heap %d %d>" % (gc.mem_free(), gc.mem_alloc()))
asyncio.create_task(_serve_pins())
supervisor.Supervisor.add = _add_and_tell
supervisor.Task.work = _work_or_fail
scanner.Scanner._keep = _keep_or_hang
"""
