"""Where to listen."""

from __future__ import annotations

import ipaddress
import re

import msgspec

_HOST_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")


class Address(msgspec.Struct, frozen=True):
    """HOST:PORT to listen at."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read HOST:PORT or [IPV6]:PORT. Raises ValueError."""
        host, colon, port = text.strip().rpartition(":")
        if not colon or not host:
            raise ValueError(f'no HOST:PORT in "{text}"')
        if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
            raise ValueError(f'the port is "{port}", expected 0 to 65535')
        if host.startswith("[") and host.endswith("]"):
            return cls(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        if ":" in host:
            raise ValueError(f"an IPv6 address needs brackets: [{host}]:{port}")
        if re.fullmatch(r"[0-9.]+", host):
            return cls(str(ipaddress.IPv4Address(host)), int(port))
        if not _HOST_NAME.fullmatch(host):
            raise ValueError(f'"{host}" is no host name')
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
