"""The supervisor: runs the tasks, starts failed ones again, and feeds the watchdog only while all of them keep time.

A task works between `work(step)` and `rest()`; while it works it must come to rest within its deadline. A task that
waits for the world rests. If the whole loop hangs, the witness, a timer's interrupt, leaves a crumb that names the task
at work, or else the one whose turn it is, and the watchdog, unfed, resets the chip.
"""

from micropython import const
import asyncio
import time

import machine

from hub import survival, timers

_CHECK_MS = const(250)
_WITNESS_MS = const(500)
_HANG_MS = const(1500)
_SETTLED_S = const(60)
_BACK_OFF_FIRST_MS = const(100)
_BACK_OFF_MAX_MS = const(5000)
_FAILURES_FOR_RESET = const(5)  # within a minute
_RESTING = "wait"  # the step of a task that hangs where it is not at work


class Task:
    """One task's account with the supervisor."""

    def __init__(self, supervisor, name, run, deadline_ms):
        self.name = name
        self.run = run
        self.deadline_ms = deadline_ms
        self.step = None
        self.turn = None  # asyncio's own task, in which this one runs
        self.failures = 0
        self._supervisor = supervisor
        self._since = 0

    def work(self, step):
        """From here to `rest` the deadline counts. `step` is a short word for the crumb."""
        self.step = step
        self._since = time.ticks_ms()
        self._supervisor.at_work = self

    def rest(self):
        self.step = None

    def overdue(self, now):
        return self.step is not None and time.ticks_diff(now, self._since) > self.deadline_ms


class Supervisor:
    def __init__(self, watchdog_ms, on_failure):
        """`on_failure(name, traceback)`: a task died of an exception and will be started again."""
        self._own = self.at_work = Task(self, "supervisor", None, 0)
        self._tasks = []
        self._on_failure = on_failure
        self._up_s = self._up_ms = 0  # since the start: ticks alone come round after six days
        self._loop_seen_at = time.ticks_ms()
        self._settled = False
        self._condemned = False
        self._watchdog = machine.WDT(timeout=watchdog_ms)
        survival.watched = True
        self._witness = timers.take()

    def add(self, name, run, deadline_ms=1000):
        """Register a task: `run(task)` is an async function that never returns in good health."""
        task = Task(self, name, run, deadline_ms)
        self._tasks.append(task)
        return task

    async def run(self):
        """Run all tasks, for ever."""
        self._pass(time.ticks_ms())  # loading the devices may have taken its time: that was no hang
        self._witness.init(mode=machine.Timer.PERIODIC, period=_WITNESS_MS, callback=self._look)
        for task in self._tasks:
            task.turn = asyncio.create_task(self._keep(task))
        while True:
            now = time.ticks_ms()
            self._pass(now)
            self._own.work("check")
            late = [task for task in self._tasks if task.overdue(now)]
            if late:
                self._condemn("late:%s:%s" % (late[0].name, late[0].step))
            if not self._condemned:
                self._watchdog.feed()
            if not self._settled and self._up_s > _SETTLED_S:
                self._settled = True
                survival.has_settled()
            self._own.rest()
            await asyncio.sleep_ms(_CHECK_MS)

    def _pass(self, now):
        """Time went by, and the loop goes on."""
        self._up_ms += time.ticks_diff(now, self._loop_seen_at)
        self._up_s += self._up_ms // 1000
        self._up_ms %= 1000
        self._loop_seen_at = now

    async def _keep(self, task):
        """Run a task; if it dies, say so and start it again, later each time; if it keeps dying, reset."""
        wait_ms, back_off_ms = 0, _BACK_OFF_FIRST_MS
        failures_since_s = self._up_s
        while True:
            try:
                await asyncio.sleep_ms(wait_ms)
                await task.run(task)
                error = RuntimeError("task ended")
            except asyncio.CancelledError:
                error = RuntimeError("task was cancelled")  # nobody may: without it the counter would be half dead
            except Exception as raised:
                error = raised
            task.rest()
            if self._up_s - failures_since_s > _SETTLED_S:
                failures_since_s = self._up_s
                task.failures = 0
                back_off_ms = _BACK_OFF_FIRST_MS
            task.failures += 1
            if task.failures >= _FAILURES_FOR_RESET or not self._told(task, error):
                survival.reset("failing:%s" % task.name, error)
            wait_ms, back_off_ms = back_off_ms, min(back_off_ms * 2, _BACK_OFF_MAX_MS)

    def _told(self, task, error):
        """Tell of a failure; False if even that fails."""
        try:
            self._on_failure(task.name, survival.traceback(error))
        except Exception:  # the reset will tell
            return False
        return True

    def _look(self, _timer):
        """The witness: runs as an interrupt, also when the loop hangs."""
        if time.ticks_diff(time.ticks_ms(), self._loop_seen_at) > _HANG_MS and not self._condemned:
            self._condemn("hang:%s:%s" % self._culprit())

    def _culprit(self):
        """(task, step) of what hangs."""
        now = time.ticks_ms()
        for task in (self.at_work, self._own):  # the latter: the supervisor died, and the tasks went on
            # Who came to work a moment ago, long after the supervisor was seen last, does not hang.
            if task.step is not None and time.ticks_diff(now, task._since) > _HANG_MS // 2:
                return task.name, task.step
        try:
            turn = asyncio.current_task()
        except RuntimeError:  # nobody's
            turn = None
        for task in self._tasks:
            if task.turn is turn:
                return task.name, task.step or _RESTING
        return self._own.name, _RESTING

    def _condemn(self, crumb):
        """Leave the crumb and stop feeding: the watchdog does the rest."""
        if not self._condemned:
            self._condemned = True
            up_ms = self._up_ms + time.ticks_diff(time.ticks_ms(), self._loop_seen_at)
            survival.leave_crumb("%s:%ds" % (crumb, self._up_s + up_ms // 1000))
