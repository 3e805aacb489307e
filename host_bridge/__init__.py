"""The bridge: the service on the till that exposes a hub to till software."""

__version__ = "0.1.0"
