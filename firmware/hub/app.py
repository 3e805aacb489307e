"""Puts the hub together from its board file and runs it."""

import asyncio
import os

import machine
from hublink.hello import FLAG_SAFE_MODE
from hublink.messages import CONTROL, NO_JOB, PRINTER
from hublink.profile import PROFILES

from hub import VERSION, board, survival, transport
from hub.drawer import Drawer
from hub.faults import Faults
from hub.indicator import Indicator, open_light
from hub.kick_pins import KickPins
from hub.printer import Printer
from hub.scanner import Scanner
from hub.supervisor import Supervisor
from hub.uplink import Uplink


class Hub:
    """The devices that the board file names, one link, one supervisor."""

    def __init__(self, config):
        self._config = config
        self._safe_mode = survival.wants_safe_mode()
        self._faults_due = False
        self._boot_id = os.urandom(8)
        self._printer = self._scanner = None
        self.faults = Faults()
        self.faults.set("safe_mode", self._safe_mode)
        link = config["link"]
        self._uplink = Uplink(
            PROFILES[link.get("profile", link["transport"])], self._hello, transport.open_link(link), held=(PRINTER,)
        )
        self._uplink.attach(self)
        self._supervisor = Supervisor(config.get("watchdog_ms", 8000), self._on_task_failed)
        self._add_link()
        self._add_indicator()
        if not self._safe_mode:
            self._add_devices()
        self.faults.listen(self._tell_faults)

    def run(self):
        asyncio.run(self._supervisor.run())

    def _add_link(self):
        self._supervisor.add("link_read", self._uplink.read)
        self._supervisor.add("link_write", self._uplink.write)
        self._supervisor.add("link_time", self._uplink.keep_time)

    def _add_indicator(self):
        light = open_light(self._config.get("indicator", {}))
        self._indicator = Indicator(light, self._uplink, self.faults, self._safe_mode)
        self._supervisor.add("indicator", self._indicator.run)

    def _add_devices(self):
        config = self._config
        add = self._supervisor.add
        if "drawer" in config and config["drawer"].get("wiring") == "gpio":
            left_open_ms = config["drawer"].get("left_open_ms")
            drawer = Drawer(KickPins(config["drawer"]), self._uplink, self.faults, left_open_ms)
            add("drawer", drawer.work)
            add("drawer_switch", drawer.watch)
        if "scanner" in config:
            self._scanner = Scanner(config["scanner"], self._uplink, self.faults, self._indicator.blip)
            add("scanner", self._scanner.read)
            add("scanner_sense", self._scanner.watch)
        if "printer" in config:
            self._printer = Printer(config["printer"], self._uplink, self.faults, self._indicator.blip)
            add("printer_write", self._printer.write)
            add("printer_read", self._printer.read)
            add("printer_watch", self._printer.watch)

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
            "name": self._config.get("hub_name", self._config["name"]),
            "board": self._config["name"],
            "firmware": VERSION,
            "crumb": survival.last_crumb(),
        }

    # -- what the hub itself says on the link --------------------------------------------------------------------

    def link_up(self):
        self._tell_faults()

    def link_down(self):
        pass

    def link_writable(self, channel):
        if channel == CONTROL and self._faults_due:
            self._tell_faults()

    def _tell_faults(self):
        self._faults_due = not self._uplink.send("faults", self.faults.numbers())

    def _on_task_failed(self, name, traceback):
        self.faults.set("task_failed", True)
        self._uplink.send("blame", ("%s: %s" % (name, traceback))[:200].encode())


def main():
    Hub(board.load()).run()
