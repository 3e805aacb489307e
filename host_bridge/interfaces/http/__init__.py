"""The native API: HTTP, WebSocket, the page, and the virtual counter."""

from host_bridge.interfaces.http.limits import HttpLimits
from host_bridge.interfaces.http.server import HttpInterface

__all__ = ["HttpInterface", "HttpLimits"]
