"""What a hub says of itself: why it started, what it lacks, what failed in it; for people, and driving no terminal."""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host_bridge.devices.hub import CRASH_TOLD_S, HubDevices
from host_bridge.events import EventBus
from host_bridge.watch.faults import FaultBoard
from hublink.fault_table import NOT_SENT, NUMBER_OF
from hublink.hello import FLAG_SAFE_MODE
from hublink.messages import DICTIONARY_HASH
from hublink.words import RESET_CAUSES
from tests.devices.bench import Link
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time
from tests.hub.peers import hello

CRUMB = "hang:scanner:scan:61s:2x"
SENTENCE = "The hub's program hung in task scanner at scan, 61 s after its start; 2 times in a row"


class Notes:
    """The journal, as far as events go."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, dict[str, Any]]] = []

    async def add_event(self, kind: str, detail: dict[str, Any]) -> None:
        self.kept.append((kind, detail))


class Wire(Link):
    """A hub that starts, as HubDevices sees its link."""

    hello: dict[str, Any] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.notes, self.faults = Notes(), FaultBoard(EventBus())
        wire: Any = self
        notes: Any = self.notes
        self.devices = HubDevices(wire, notes, EventBus(), self.faults)

    def add_listener(self, listener: HubDevices) -> None: ...

    def start(
        self, boot_id: bytes, crumb: str = "", cause: str = "watchdog", hub_id: bytes = b"hub-0001", flags: int = 0
    ) -> None:
        """A life of the hub, or the same one again."""
        before, self.is_up = self.hello, True
        said = {"crumb": crumb, "reset_cause": RESET_CAUSES.index(cause), "flags": flags, "dictionary": DICTIONARY_HASH}
        self.hello = hello(boot_id, hub_id) | said
        resumed = before is not None and (before["hub_id"], before["boot_id"]) == (hub_id, boot_id)
        self.devices.link_up(self.hello, resumed)

    def active(self) -> list[str]:
        return [fault.code for fault in self.faults.active()]

    def shown(self) -> list[bytes]:
        return [message[1] for message in self.sent if message[0] == "show"]


@in_virtual_time
async def test_a_hub_that_crashed_and_is_back_is_told_for_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wire = Wire()
    wire.start(b"life-001", cause="power_on")
    assert wire.active() == []
    assert "the hub started: power_on, boot 7" in caplog.text

    wire.start(b"life-002", CRUMB)
    (fault,) = wire.faults.active()
    assert (fault.code, fault.severity, fault.device, fault.blinks) == ("hub_crashed", "notice", "hub", 0)
    assert "counterhub status" in fault.remedy.en and "counterhub status" in fault.remedy.zh
    (warning,) = [record for record in caplog.records if record.name.endswith("devices.hub") and record.levelno >= 30]
    assert warning.getMessage() == f"the hub started after a crash (watchdog, boot 7): {SENTENCE} [{CRUMB}]"

    await asyncio.sleep(CRASH_TOLD_S - 1)
    wire.devices.link_down("silent")
    wire.start(b"life-002", CRUMB)  # the link was away, the hub was not
    assert wire.active() == ["hub_crashed"]
    await asyncio.sleep(2)
    assert wire.active() == []
    await wire.devices.settle()
    assert [detail for kind, detail in wire.notes.kept if kind == "hub_started"] == [
        {"reset_cause": "power_on", "boots": 7, "crumb": None},
        {"reset_cause": "watchdog", "boots": 7, "crumb": CRUMB},
    ]


@in_virtual_time
async def test_the_next_crash_begins_the_ten_minutes_anew_and_a_start_without_one_ends_them() -> None:
    wire = Wire()
    wire.start(b"life-001")
    wire.start(b"life-002", CRUMB)
    await asyncio.sleep(CRASH_TOLD_S - 1)
    wire.start(b"life-003", CRUMB)
    await asyncio.sleep(CRASH_TOLD_S - 1)
    assert wire.active() == ["hub_crashed"]
    wire.start(b"life-004", cause="power_on")
    assert wire.active() == []
    wire.start(b"life-005", "reset:asked:main:9s")  # by counterhub flash
    assert wire.active() == []
    await wire.devices.settle()


@in_virtual_time
async def test_a_crash_before_this_bridge_met_the_hub_is_for_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    wire.start(b"life-001", CRUMB)
    assert SENTENCE in caplog.text and wire.active() == []
    wire.start(b"life-009", CRUMB, hub_id=b"hub-0002")  # a hub in exchange has a past of its own
    assert wire.active() == []
    await wire.devices.settle()


@in_virtual_time
async def test_a_hub_in_safe_mode_is_not_said_to_work() -> None:
    wire = Wire()
    wire.start(b"life-001")
    wire.start(b"life-002", CRUMB, flags=FLAG_SAFE_MODE)
    assert wire.active() == []
    await wire.devices.settle()


@in_virtual_time
async def test_the_notice_goes_with_its_service_and_is_never_sent_to_the_hub() -> None:
    wire = Wire()
    wire.start(b"life-001")
    wire.start(b"life-002", CRUMB)
    assert NUMBER_OF["hub_crashed"] >= NOT_SENT and set(wire.shown()) == {b""}
    await wire.devices.settle()
    assert wire.active() == []
    await asyncio.sleep(2 * CRASH_TOLD_S)  # nothing is left that would speak


texts = st.text(st.one_of(st.characters(categories=["Cc", "Cf", "Zl", "Zp"]), st.characters(codec="utf-8")))


@example("\x1b[31mEVIL\x1b]0;owned\x07\nfake: line\u202e\u2028\x9b2J")
@given(texts)
def test_what_a_hub_reports_drives_no_terminal(text: str) -> None:
    wire = run_in_virtual_time(_report(text))
    notes = dict(wire.notes.kept)
    said = [*wire.devices.hub().problems, *notes.get("hub_problems", {"problems": []})["problems"]]
    said += notes["hub_task_failed"]["text"].split("\n")  # a traceback's lines
    assert not any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for line in said for each in line)


async def _report(text: str) -> Wire:
    wire = Wire()
    wire.start(b"life-001")
    wire.devices.message("problems", (text.encode(),))
    wire.devices.message("blame", (text.encode(),))
    await wire.devices.settle()
    return wire
