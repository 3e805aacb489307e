"""What the hub itself says on the link, and to its tasks: run."""

from micropython import const
import asyncio

from hublink.messages import CONTROL, NO_JOB, PRINTER

from hub import survival
from hub.supervisor import Supervisor
from hub.uplink import Uplink

_TEXT_BYTES_MAX = const(230)  # of a message, whose frame carries 240


class Hub:
    """One link and one supervisor; app.py gives it the devices that the board file names."""

    def __init__(self, faults, ways, watchdog_ms, hello, crash, problems):
        """`ways`: of the link, see Uplink. `hello`: what every HELLO of this life says. `crash`: the traceback that the
        last life left. `problems`: what the board file lacks; may grow until the hub runs."""
        self._said = hello
        self._blame = crash  # told once a bridge listens
        self._problems = problems
        self._due = set()
        self.drawer = self.printer = self.scanner = None
        self.faults = faults
        self.uplink = Uplink(ways, self._hello, held=(PRINTER,))
        self.uplink.attach(self)
        self.supervisor = Supervisor(watchdog_ms, self._on_task_failed)

    def run(self):
        """Run all tasks; ends only by an exception."""
        asyncio.run(self.supervisor.run())

    def ask_for_prompt(self, _why=None):
        """Restart into MicroPython's prompt."""
        survival.restart_into_prompt()

    def on_fault(self):
        """One was raised or cleared."""
        self._due.add("faults")
        self._tell()

    def link_up(self):
        self._due = {"faults", "problems"}
        self._tell()

    def link_down(self):
        self._due = set()

    def link_writable(self, channel):
        if channel == CONTROL:
            self._tell()

    def _hello(self):
        hello, printer, scanner = self._said, self.printer, self.scanner
        hello["job"] = printer.job if printer else NO_JOB
        hello["job_phase"] = printer.phase if printer else 0
        hello["job_received_bytes"] = printer.received_bytes if printer else 0
        hello["payload_bytes"] = printer.payload_bytes if printer else 0  # the link lowers it to its transport's
        hello["scan_oldest"] = scanner.oldest_sequence if scanner else 0
        hello["scan_next"] = scanner.next_sequence if scanner else 0
        return hello

    def _tell(self):
        """Say what is due, as far as the link has room; the rest follows when it has."""
        if "faults" in self._due and self.uplink.send("faults", self.faults.numbers()):
            self._due.discard("faults")
        if "problems" in self._due and self.uplink.send("problems", _cut("\n".join(self._problems))):
            self._due.discard("problems")
        if self._blame and self.uplink.send("blame", _cut(self._blame)):
            self._blame = ""

    def _on_task_failed(self, name, traceback):
        self._blame = "%s: %s" % (name, traceback)
        self.faults.set("task_failed", True)
        self._tell()


def _cut(text):
    """What a message carries of it."""
    return text.encode()[:_TEXT_BYTES_MAX]
