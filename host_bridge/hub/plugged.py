"""What is plugged into this machine, and which of it is served: so that a hub that nobody uses is seen."""

from __future__ import annotations

import msgspec

from host_bridge.hub import ports
from host_bridge.hub.choice import Claims


class PluggedPort(ports.PortInfo, frozen=True, kw_only=True):
    """A serial port, with the hub that greeted on it as far as that is known."""

    served_as: str | None = None  # the name under which the bridge serves the hub there
    hub_id: str | None = None
    hub_name: str | None = None  # the hub's own


def plugged_ports(claims: Claims, comports: ports.ComPorts = ports.system_comports) -> list[PluggedPort]:
    """Every serial port, likely hubs first. Asks the operating system: call it from a worker thread."""
    return [_plugged(port, claims) for port in ports.list_ports(comports)]


def with_hub(port: ports.PortInfo, **known: str | None) -> PluggedPort:
    """The port with what is known of the hub on it."""
    return PluggedPort(**{**msgspec.structs.asdict(port), **known})


def _plugged(port: ports.PortInfo, claims: Claims) -> PluggedPort:
    heard = claims.heard_on(port.device)
    holder = claims.holder_of_port(port.device)
    return with_hub(
        port,
        served_as=holder if holder is not None and claims.is_serving(holder) else None,
        hub_id=None if heard is None else heard.hub_id,
        hub_name=None if heard is None else heard.name,
    )
