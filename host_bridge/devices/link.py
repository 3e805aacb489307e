"""The link as a device service sees it: who the hub is, which session this is, and a way to send."""

from __future__ import annotations

from typing import Protocol


class DeviceLink(Protocol):
    """Given to each device service; devices never see the transport."""

    @property
    def is_up(self) -> bool: ...

    @property
    def session(self) -> int:
        """Grows with each session: work begun in one must not go on in another."""

    @property
    def hub_id(self) -> str: ...

    @property
    def boot_id(self) -> str:
        """The hub's present life; 16 hex digits."""

    @property
    def told(self) -> bool:
        """The hub has said in this session what it holds, so nothing that it knows is still missing here."""

    def send(self, name: str, *values: object) -> bool:
        """False: down, or no room; then nothing happened."""

    def room(self, channel: int) -> int: ...

    def hub_clock_ms(self) -> int | None:
        """The hub's own clock now, never ahead of it; None while it is unknown."""
