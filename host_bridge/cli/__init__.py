"""The command line, `counterhub`: starts the bridge, and asks a running one through its HTTP API."""

from __future__ import annotations


def main() -> None:
    """Entry point; exits with a code of :class:`host_bridge.cli.outcome.ExitCode`."""
    from host_bridge.cli.app import run_app

    run_app()
