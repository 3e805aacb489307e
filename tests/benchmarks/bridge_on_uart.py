"""The bridge as it runs on a UART: a pseudo-terminal's name says USB's speed, and with it the link's numbers."""

from __future__ import annotations

from host_bridge.cli import main
from host_bridge.hub import ports


def _uart(port: str, comports: ports.ComPorts = ports.system_comports) -> str:
    return "UART"


if __name__ == "__main__":
    ports.transport_name = _uart
    main()
