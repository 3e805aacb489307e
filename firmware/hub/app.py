"""Puts the hub together from its board file and runs it."""

import asyncio
import os

import machine
from hublink.hello import FLAG_SAFE_MODE
from hublink.messages import CONTROL, NO_JOB, PRINTER
from hublink.profile import PROFILES

from hub import VERSION, board, roomy, survival, technician, transport
from hub.faults import Faults
from hub.indicator import Indicator, NoLight, open_last_resort, open_light
from hub.supervisor import Supervisor
from hub.uplink import Uplink

_TEXT_BYTES_MAX = 230  # of a message, whose frame carries 240
# What a wrong section of the board file shows as.
_FAULTS_OF = {
    "link": ("board_file",),
    "backup_link": ("board_file",),
    "indicator": ("indicator",),
    "printer": ("board_file", "printer_left_out"),
    "scanner": ("board_file", "scanner_left_out"),
    "drawer": ("board_file", "drawer_left_out"),
}


class Hub:
    """The devices that the board file names, one link, one supervisor. What can't be opened is left out, and told."""

    def __init__(self, config, crash="", storage_problem=None):
        """`crash`: the traceback that the last life left. `storage_problem`: a full file system's OSError."""
        self._config = config
        self._safe_mode = survival.wants_safe_mode()
        self._boot_id = os.urandom(8)
        self._drawer = self._printer = self._scanner = None
        self._blame = crash  # told once a bridge listens
        self._due = set()
        self.faults = Faults()
        self.faults.set("safe_mode", self._safe_mode)
        watchdog_ms = board.watchdog_ms()
        self.faults.set("board_file", bool(board.problems))
        self._problems = list(board.problems)
        if storage_problem is not None:
            self.faults.set("hub_storage", True)
            self._problems.append("file system: %s" % storage_problem)
        self._uplink = Uplink(self._open_ways(), self._hello, held=(PRINTER,))
        self._uplink.attach(self)
        self._supervisor = Supervisor(watchdog_ms, self._on_task_failed)
        self._add_link()
        self._add_indicator()
        if not self._safe_mode:
            self._add_devices()
        self.faults.listen(self._on_fault)

    def run(self):
        if hasattr(asyncio, "core"):  # MicroPython's: what each turn of a task goes through
            roomy.spread(asyncio.core)
        asyncio.run(self._supervisor.run())

    def _open_ways(self):
        """(profile, stream) of each link of the board file; where none can be opened, of the console of any board."""
        sections = ("link", "backup_link") if "backup_link" in self._config else ("link",)
        ways = [way for way in map(self._open_way, sections) if way is not None]
        if ways:
            return ways
        try:
            return [(PROFILES["usb"], transport.open_link({"transport": "usb"}))]
        except Exception as error:  # then the LED alone can tell
            self._problems.append("console: %s" % error)
            return [(PROFILES["usb"], transport.NoLink())]

    def _open_way(self, section):
        try:
            link = self._config[section]
            name = link.get("profile", link["transport"])
            if name not in PROFILES:
                raise ValueError("profile: expected one of %s, found %r" % (", ".join(sorted(PROFILES)), name))
            return PROFILES[name], transport.open_link(link)
        except Exception as error:
            self._leave_out(section, error)
            return None

    def _add_link(self):
        path = self._uplink.paths[0]
        self._supervisor.add("link_read", path.read)
        self._supervisor.add("link_write", path.write)
        self._supervisor.add("link_time", self._uplink.keep_time)
        for path in self._uplink.paths[1:]:
            self._supervisor.add("backup_read", path.read)
            self._supervisor.add("backup_write", path.write)
        if board.link_takes_console():  # it belongs to whoever holds the cable
            self._uplink.on("prompt", self._on_prompt)

    def _add_indicator(self):
        light = self._open("indicator", open_light)
        if light is None:
            light = open_last_resort() if self.faults.active else NoLight({})
        self._indicator = Indicator(light, self._uplink, self.faults, self._safe_mode)
        self._supervisor.add("indicator", self._indicator.run)

    def _add_devices(self):
        add = self._supervisor.add
        self._printer = self._open("printer", self._make_printer)
        if self._printer:
            add("printer_write", self._printer.write)
            add("printer_read", self._printer.read)
            add("printer_watch", self._printer.watch)
        self._drawer = self._open("drawer", self._make_drawer)
        if self._drawer:
            add("drawer", self._drawer.work)
            add("drawer_switch", self._drawer.watch)
        self._scanner = self._open("scanner", self._make_scanner)
        if self._scanner:
            add("scanner", self._scanner.read)
            add("scanner_sense", self._scanner.watch)

    # The devices' modules are loaded here, so that a damaged one costs its device alone, and safe mode needs none.

    def _make_drawer(self, wiring):
        if wiring["wiring"] == "gpio":
            from hub.kick_pins import KickPins

            kicker = KickPins(wiring)
        elif wiring["wiring"] != "printer":
            raise ValueError("wiring: expected 'gpio' or 'printer', found %r" % wiring["wiring"])
        elif not self._printer:
            raise ValueError("wiring: there is no printer on whose kick port the drawer could hang")
        else:
            from hub.kick_printer import KickPrinter

            kicker = KickPrinter(wiring, self._printer)
        from hub.drawer import Drawer

        return Drawer(kicker, self._uplink, self.faults, wiring.get("left_open_ms"))

    def _make_scanner(self, port):
        from hub.scanner import Scanner

        return Scanner(port, self._uplink, self.faults, self._indicator.blip)

    def _make_printer(self, port):
        from hub.printer import Printer

        return Printer(port, self._uplink, self.faults, self._indicator.blip)

    def _open(self, section, make):
        """What a section of the board file describes, or None: a wrong one costs its own device and nothing else."""
        if section not in self._config:
            return None
        try:
            return make(self._config[section])
        except Exception as error:  # whatever a wrong value leads to
            self._leave_out(section, error)
            return None

    def _leave_out(self, section, error):
        self._problems.append(board.explain(section, error))
        for code in _FAULTS_OF[section]:
            self.faults.set(code, True)

    def _hello(self):
        printer, scanner = self._printer, self._scanner
        return {
            "hub_id": (machine.unique_id() + b"\0" * 8)[:8],
            "boot_id": self._boot_id,
            "boots": survival.boots(),
            "reset_cause": survival.reset_cause(),
            "flags": FLAG_SAFE_MODE if self._safe_mode else 0,
            "job": printer.job if printer else NO_JOB,
            "job_phase": printer.phase if printer else 0,
            "job_received_bytes": printer.received_bytes if printer else 0,
            "scan_oldest": scanner.oldest_sequence if scanner else 0,
            "scan_next": scanner.next_sequence if scanner else 0,
            "name": str(self._config.get("hub_name", self._config["name"])),
            "board": str(self._config["name"]),
            "firmware": VERSION,
            "crumb": survival.last_crumb(),
        }

    # -- what the hub itself says on the link --------------------------------------------------------------------

    def link_up(self):
        self._due = {"faults", "problems"}
        self._tell()

    def link_down(self):
        self._due = set()

    def link_writable(self, channel):
        if channel == CONTROL:
            self._tell()

    def _tell(self):
        """Say what is due, as far as the link has room; the rest follows when it has."""
        if "faults" in self._due and self._uplink.send("faults", self.faults.numbers()):
            self._due.discard("faults")
        if "problems" in self._due and self._uplink.send("problems", _cut("\n".join(self._problems))):
            self._due.discard("problems")
        if self._blame and self._uplink.send("blame", _cut(self._blame)):
            self._blame = ""

    def _on_fault(self):
        self._due.add("faults")
        self._tell()

    def _on_task_failed(self, name, traceback):
        self._blame = "%s: %s" % (name, traceback)
        self.faults.set("task_failed", True)
        self._tell()

    def _on_prompt(self, word):
        technician.ask_for_prompt()


def _cut(text):
    """What a message carries of it."""
    return text.encode()[:_TEXT_BYTES_MAX]


def make_hub():
    """The hub that the board file describes."""
    config = board.load()
    crash = survival.take_traceback()
    storage_problem = None
    try:
        board.keep_copy()
        board.check_room()
    except OSError as error:
        storage_problem = error
    return Hub(config, crash, storage_problem)


def main():
    """Run the hub; ends only by an exception."""
    make_hub().run()
