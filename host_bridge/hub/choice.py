"""Which hub, and on which port: what keeps several hubs of one process apart, and one from a stranger.

A hub says who it is before the bridge says anything, so every choice is made between its HELLO and our answer: a hub
that is not wanted here never hears of us.

    asked for      the hub that greets                                     then
    an id          has another id                                          the next port; at the round's end `other_hub`
    anything       is served under another name                            the next port; at the round's end `same_hub`
    one port       is any                                                  is served
    "auto"         alone looks like a hub                                  is served
    "auto", and    was served last                                         is served
    several ports  is the only one that greets in a whole round (in some   is served
                   rounds, if another one was served last)
                   is one of several                                       `two_hubs`, until one of them is gone

A hub whose link came up is remembered as the one served last, also by the next start. One that only greeted is not.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from host_bridge.hub import ports
from host_bridge.hub.connection import CloseReason

log = logging.getLogger(__name__)

ID_HELD_MS = 10_000  # so long after its link went down a hub is still that of its name, and of no other
HEARD_LIMIT = 64  # ports of which the last greeting is remembered
STRANGER_ROUNDS = 3  # the hub that was served last may be starting again: a watchdog takes up to 8 s


class Heard(msgspec.Struct, frozen=True):
    """A hub that greeted on a port."""

    port: str
    hub_id: str
    name: str  # the hub's own


class _Held(msgspec.Struct):
    """Whose a hub is."""

    owner: str
    connections: int  # a hub with a backup path has two
    down_at: float | None = None


class Claims:
    """What the served hubs of this process hold: each port and each hub belongs to one of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ports: dict[str, tuple[str, str]] = {}  # the port as it really is: (owner, as it was named)
        self._hubs: dict[str, _Held] = {}  # by the hub's id
        self._heard: dict[str, Heard] = {}

    def take_port(self, port: str, owner: str) -> bool:
        """Whether the port is the owner's now."""
        return self._ports.setdefault(_real(port), (owner, port))[0] == owner

    def drop_port(self, port: str, owner: str) -> None:
        """By its name: a link that led to it may be gone, or lead elsewhere by now."""
        for real in [real for real, claim in self._ports.items() if claim == (owner, port)]:
            del self._ports[real]

    def holder_of_port(self, port: str) -> str | None:
        return self._ports.get(_real(port), (None, ""))[0]

    def holder_of_hub(self, hub_id: str) -> str | None:
        held = self._hubs.get(hub_id)
        if held is None or (held.down_at is not None and (self._clock() - held.down_at) * 1000 > ID_HELD_MS):
            return None
        return held.owner

    def is_serving(self, owner: str) -> bool:
        """Whether it has found its hub."""
        return any(held.owner == owner and held.connections for held in self._hubs.values())

    def hold_hub(self, hub_id: str, owner: str) -> None:
        """One connection more of the owner to it; the hubs that it served before are free."""
        for other in [known for known, held in self._hubs.items() if held.owner == owner and known != hub_id]:
            del self._hubs[other]
        before = self._hubs.get(hub_id)
        connections = before.connections if before is not None and before.owner == owner else 0
        self._hubs[hub_id] = _Held(owner, connections + 1)

    def let_go_of_hub(self, hub_id: str, owner: str) -> None:
        """One connection less; after the last the hub stays the owner's for a while."""
        held = self._hubs.get(hub_id)
        if held is None or held.owner != owner:
            return
        held.connections -= 1
        if held.connections <= 0:
            held.down_at = self._clock()

    def hear(self, heard: Heard) -> None:
        self._heard.pop(_real(heard.port), None)
        self._heard[_real(heard.port)] = heard
        if len(self._heard) > HEARD_LIMIT:
            del self._heard[next(iter(self._heard))]

    def heard_on(self, port: str) -> Heard | None:
        """Who greeted there last; may be gone by now."""
        return self._heard.get(_real(port))


class HubChoice:
    """Judges for one served hub. `last_id`: the one served last; `remember` is told of another once its link is up."""

    def __init__(
        self,
        owner: str,
        claims: Claims | None = None,
        *,
        wanted_id: str | None = None,
        last_id: str | None = None,
        remember: Callable[[str], None] = lambda hub_id: None,
    ) -> None:
        self.owner = owner
        self.claims = Claims() if claims is None else claims
        self._wanted_id = None if wanted_id is None else wanted_id.lower()
        self._last_id = last_id  # or the one judged to be served since
        self._remembered_id = last_id
        self._remember = remember
        self._greeted: dict[str, Heard] = {}  # in this round, and not served because there may be another one
        self._lone_id: str | None = None  # the only one that greeted in the last rounds
        self._lone_rounds = 0
        self._chosen_id: str | None = None  # so it was chosen

    def sort(self, candidates: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Without the ports of other served hubs; the likeliest first."""
        free = [each for each in candidates if self.claims.holder_of_port(each[0]) in (None, self.owner)]
        return sorted(free, key=self._unlikely)

    def missing(self, candidates: list[tuple[str, str]], asked: str) -> CloseReason:
        """Why no port is left to try."""
        held = {port: self.claims.holder_of_port(port) for port, _ in candidates}
        if asked != ports.AUTO and held:
            holder = next(iter(held.values()))
            return CloseReason("same_hub", f"{asked} is the port of hub {holder} already", _SAME_HUB_REMEDY)
        detail = "no port looks like a hub"
        if held:
            detail = "no other port looks like a hub; " + ", ".join(
                f"{port} is hub {name}" for port, name in held.items()
            )
        return CloseReason(
            "port_missing", detail, "Plug the hub in, or name its port with --port; `counterhub ports` lists them."
        )

    def judge(self, port: str, hello: dict[str, Any], *, among: int) -> CloseReason | None:
        """None: this is the hub, and it is held from now on. ``among``: how many ports may have one."""
        heard = Heard(port, hello["hub_id"].hex(), hello["name"])
        self.claims.hear(heard)
        who = f"hub {heard.hub_id} ({heard.name or 'without a name'}) greets on {port}"
        if self._wanted_id is not None and heard.hub_id != self._wanted_id:
            return CloseReason("other_hub", f"{who}, expected {self._wanted_id}", _OTHER_HUB_REMEDY)
        holder = self.claims.holder_of_hub(heard.hub_id)
        if holder not in (None, self.owner):
            return CloseReason("same_hub", f"{who}, and is served as {holder} already", _SAME_HUB_REMEDY)
        if among > 1 and heard.hub_id not in (self._wanted_id, self._last_id, self._chosen_id):
            self._greeted[port] = heard
            return CloseReason("two_hubs", f"{who}; is it the only one?")
        self._serve(heard.hub_id)
        return None

    def knows(self, hub_id: str) -> bool:
        """Whether it is the hub asked for, or else the one served last, or any while there is none of these."""
        known_id = self._last_id if self._wanted_id is None else self._wanted_id
        return known_id in (None, hub_id)

    def round_over(self) -> CloseReason | None:
        """All ports were tried: ``next_candidate`` to try again with what is known now, or what is wrong."""
        greeted, self._greeted = list(self._greeted.values()), {}
        ids = {each.hub_id for each in greeted}
        lone_id = ids.pop() if len(ids) == 1 else None
        self._lone_rounds = self._lone_rounds + 1 if lone_id == self._lone_id else 1
        self._lone_id, self._chosen_id = lone_id, None
        if not greeted:
            return None
        listed = ", ".join(f"{each.hub_id} ({each.name}) on {each.port}" for each in greeted)
        if lone_id is None:
            return CloseReason("two_hubs", f"several hubs greet: {listed}", _TWO_HUBS_REMEDY)
        if self._last_id is not None and self._lone_rounds < STRANGER_ROUNDS:
            return CloseReason("other_hub", f"{listed}, expected {self._last_id} as before", _OTHER_HUB_REMEDY)
        self._chosen_id = lone_id
        return CloseReason("next_candidate", f"only one hub greets: {listed}")

    def wait_for_others(self, candidates: list[tuple[str, str]]) -> bool:
        """Whether a port may become free: another served hub tries it and has not found its own yet."""
        holders = {self.claims.holder_of_port(port) for port, _ in candidates}
        return any(holder is not None and not self.claims.is_serving(holder) for holder in holders)

    def link_up(self, hub_id: str) -> None:
        """The hub is really served."""
        if hub_id != self._remembered_id:
            self._remembered_id = hub_id
            self._remember(hub_id)

    def let_go(self, hub_id: str) -> None:
        """The connection on which it was judged has ended."""
        self.claims.let_go_of_hub(hub_id, self.owner)

    def _serve(self, hub_id: str) -> None:
        self._greeted.clear()
        self._lone_id = self._chosen_id = None
        self.claims.hold_hub(hub_id, self.owner)
        self._last_id = hub_id

    def _unlikely(self, candidate: tuple[str, str]) -> int:
        """0 for a port where the hub was heard, 2 for one with another."""
        heard = self.claims.heard_on(candidate[0])
        if heard is None:
            return 1
        return 0 if heard.hub_id in (self._wanted_id, self._last_id, self._chosen_id) else 2


_OTHER_HUB_REMEDY = "Plug in the hub with that id, or write the new one's id into the configuration."
_SAME_HUB_REMEDY = "Give one of the two hubs of the configuration another id or port."
_TWO_HUBS_REMEDY = (
    "Unplug one, or name the id of the hub to serve as hub.id; to serve both give each a [hubs.NAME] table."
)


def _real(port: str) -> str:
    """One name for a port, whichever link leads to it."""
    return os.path.realpath(port) if os.name == "posix" and not ports.is_url(port) else port
