"""How a command ends: its exit code, and errors that say what to do. Listed for users in docs/command-line.md."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    OK = 0
    FAILED = 1  # the counter did not do it, or isn't ready to sell
    USAGE = 2  # the command line, the file or the configuration is wrong
    UNREACHABLE = 3  # no bridge answered at that address
    REFUSED = 4  # the bridge answered, and will not do it
    UNCONFIRMED = 5  # nobody can know whether it was printed: look at the printer
    UNFINISHED = 6  # still under way when the time to wait was over; it goes on in the bridge
    INTERRUPTED = 130  # Ctrl-C, as shells count it


class CommandError(Exception):
    """Ends a command. The message says what was expected and what came; `remedy` what to do."""

    def __init__(self, exit_code: ExitCode, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.remedy = remedy
