"""Puts the hub together from its board file. Once it runs this module is not needed any more: see start_only.py."""

import asyncio
import os
import sys

import machine
from hublink.hello import FLAG_SAFE_MODE
from hublink.profile import PROFILES

from hub import VERSION, board, roomy, survival
from hub.faults import Faults
from hub.hub import Hub
from hub.indicator import Indicator
from hub.lights import open_last_resort, open_light
from hub.ways import open_link

# What a wrong section of the board file shows as.
_FAULTS_OF = {
    "link": ("board_file",),
    "backup_link": ("board_file",),
    "indicator": ("indicator",),
    "printer": ("board_file", "printer_left_out"),
    "scanner": ("board_file", "scanner_left_out"),
    "drawer": ("board_file", "drawer_left_out"),
}


def load_devices():
    """Load the devices' modules ahead of `make_hub`, while the technician has his second."""
    if survival.wants_safe_mode():
        return
    for section in ("printer", "drawer", "scanner"):
        if section in board.load():
            try:
                __import__("hub." + section)
            except Exception:  # it is damaged: so says the same error again, and whose, when it is opened
                sys.modules.pop("hub." + section, None)


def make_hub():
    """The hub that the board file describes. What of it can't be opened is left out, and told."""
    config = board.load()
    crash = survival.take_traceback()
    storage_problem = None
    try:
        board.keep_copy()
        board.check_room()
    except OSError as error:
        storage_problem = error
    return _Assembly(config, crash, storage_problem).hub


class _Assembly:
    def __init__(self, config, crash, storage_problem):
        """`crash`: the traceback that the last life left. `storage_problem`: a full file system's OSError."""
        self._config = config
        self._safe_mode = survival.wants_safe_mode()
        self._faults = Faults()
        self._faults.set("safe_mode", self._safe_mode)
        watchdog_ms = board.watchdog_ms()
        self._faults.set("board_file", bool(board.problems))
        if storage_problem is not None:
            self._faults.set("hub_storage", True)
            board.problems.append("file system: %s" % storage_problem)
        self.hub = Hub(self._faults, self._open_ways(), watchdog_ms, self._hello(), crash, board.problems)
        self._add_link()
        self._add_indicator()
        if not self._safe_mode:
            self._add_devices()
        self._faults.listen(self.hub.on_fault)
        if hasattr(asyncio, "core"):  # MicroPython's: what each turn of a task goes through
            roomy.spread(asyncio.core)

    def _hello(self):
        """What does not change while this life lasts."""
        return {
            "hub_id": (machine.unique_id() + b"\0" * 8)[:8],
            "boot_id": os.urandom(8),
            "boots": survival.boots(),
            "reset_cause": survival.reset_cause(),
            "flags": FLAG_SAFE_MODE if self._safe_mode else 0,
            "name": str(self._config.get("hub_name", self._config["name"])),
            "board": str(self._config["name"]),
            "firmware": VERSION,
            "crumb": survival.last_crumb(),
        }

    def _open_ways(self):
        """(profile, stream) of each link of the board file; where none can be opened, of the console of any board."""
        sections = ("link", "backup_link") if "backup_link" in self._config else ("link",)
        ways = [way for way in map(self._open_way, sections) if way is not None]
        if ways:
            return ways
        try:
            return [(PROFILES["usb"], open_link({"transport": "usb"}))]
        except Exception as error:  # then the LED alone can tell
            from hub.no_link import NoLink

            board.problems.append("console: %s" % error)
            return [(PROFILES["usb"], NoLink())]

    def _open_way(self, section):
        try:
            link = self._config[section]
            name = link.get("profile", link["transport"])
            if name not in PROFILES:
                raise ValueError("profile: expected one of %s, found %r" % (", ".join(sorted(PROFILES)), name))
            return PROFILES[name], open_link(link)
        except Exception as error:
            self._leave_out(section, error)
            return None

    def _add_link(self):
        add, uplink = self.hub.supervisor.add, self.hub.uplink
        path = uplink.paths[0]
        add("link_read", path.read)
        add("link_write", path.write)
        add("link_time", uplink.keep_time)
        for path in uplink.paths[1:]:
            add("backup_read", path.read)
            add("backup_write", path.write)
        if board.link_takes_console():  # it belongs to whoever holds the cable
            uplink.on("prompt", self.hub.ask_for_prompt)

    def _add_indicator(self):
        light = self._open("indicator", open_light)
        if light is None:
            light = open_last_resort() if self._faults.active else open_light({})
        self._indicator = Indicator(light, self.hub.uplink, self._faults, self._safe_mode)
        self.hub.supervisor.add("indicator", self._indicator.run)

    def _add_devices(self):
        hub, add = self.hub, self.hub.supervisor.add
        hub.printer = self._open("printer", self._make_printer)
        if hub.printer:
            add("printer_write", hub.printer.write)
            add("printer_read", hub.printer.read)
            add("printer_watch", hub.printer.watch)
        hub.drawer = self._open("drawer", self._make_drawer)
        if hub.drawer:
            add("drawer", hub.drawer.work)
            add("drawer_switch", hub.drawer.watch)
        hub.scanner = self._open("scanner", self._make_scanner)
        if hub.scanner:
            add("scanner", hub.scanner.read)
            add("scanner_sense", hub.scanner.watch)

    # The devices' modules are loaded here, so that a damaged one costs its device alone, and safe mode needs none.

    def _make_drawer(self, wiring):
        if wiring["wiring"] == "gpio":
            from hub.kick_pins import KickPins

            kicker = KickPins(wiring)
        elif wiring["wiring"] != "printer":
            raise ValueError("wiring: expected 'gpio' or 'printer', found %r" % wiring["wiring"])
        elif not self.hub.printer:
            raise ValueError("wiring: there is no printer on whose kick port the drawer could hang")
        else:
            from hub.kick_printer import KickPrinter

            kicker = KickPrinter(wiring, self.hub.printer)
        from hub.drawer import Drawer

        return Drawer(kicker, self.hub.uplink, self._faults, wiring.get("left_open_ms"))

    def _make_scanner(self, port):
        from hub.scanner import Scanner

        return Scanner(port, self.hub.uplink, self._faults, self._indicator.blip)

    def _make_printer(self, port):
        from hub.printer import Printer

        return Printer(port, self.hub.uplink, self._faults, self._indicator.blip)

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
        board.problems.append(board.explain(section, error))
        for code in _FAULTS_OF[section]:
            self._faults.set(code, True)
