"""Hub and bridge of different versions: what both know goes on, and that they differ is said."""

from __future__ import annotations

from typing import Any

from host_bridge.devices.hub import HubDevices
from host_bridge.events import EventBus
from host_bridge.watch.faults import FaultBoard
from hublink.messages import DICTIONARY_HASH, NO_JOB
from tests.devices.bench import Link
from tests.firmware.virtual_time import in_virtual_time


class HubWire(Link):
    """As HubDevices sees a hub's link."""

    peer: dict[str, Any] = {}

    def add_listener(self, listener: HubDevices) -> None:
        self.listener = listener

    def hello(self, dictionary: int) -> None:
        self.is_up = True
        self.peer = {
            "hub_id": bytes(8),
            "boot_id": bytes(8),
            "dictionary": dictionary,
            "job": NO_JOB,
            "job_phase": 0,
            "flags": 0,
        }
        self.listener.link_up(self.peer | {"job_received_bytes": 0}, True)

    def shown(self) -> list[bytes]:
        return [message[1] for message in self.sent if message[0] == "show"]


@in_virtual_time
async def test_another_dictionary_is_named_in_words_until_the_hub_is_updated() -> None:
    link, faults = HubWire(), FaultBoard(EventBus())
    wire: Any = link
    nothing: Any = None
    HubDevices(wire, nothing, EventBus(), faults)

    link.hello(DICTIONARY_HASH ^ 1)
    (fault,) = faults.active()
    assert (fault.code, fault.severity) == ("versions_differ", "notice")
    assert "counterhub flash" in fault.remedy.en and "counterhub flash" in fault.remedy.zh
    assert link.shown()[-1] == b""  # no clerk has to count it

    link.hello(DICTIONARY_HASH)
    assert faults.active() == []
