"""`counterhub run`: the configuration's errors, and how a start that fails is explained."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from host_bridge.address import Address
from host_bridge.bridge import Addresses, ServiceDied
from host_bridge.cli import running
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.words import Words
from host_bridge.config import Config
from host_bridge.journal import JournalError
from host_bridge.virtual.control import VirtualHubError
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]


def config(tmp_path: Path, text: str) -> str:
    path = tmp_path / "counterhub.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[http]\nlisten = 9180\n", "line 2"),
        ("[htpp]\n", "htpp"),
        ('[http]\nlissten = "127.0.0.1:9180"\n', "did you mean http.listen?"),
        ("this is no TOML", "line 1"),
        ('[http]\nlisten = "127.0.0.1"\n', "HOST:PORT"),
    ],
)
def test_a_wrong_configuration_exits_with_2_and_names_line_and_hint(
    counterhub: Command, tmp_path: Path, text: str, words: str
) -> None:
    path = config(tmp_path, text)
    result = counterhub("run", "--config", path)
    assert result.exit_code == 2
    assert path in result.err
    assert words in result.err
    assert result.out == ""


def test_a_configuration_that_is_missing_exits_with_2(counterhub: Command, tmp_path: Path) -> None:
    result = counterhub("run", "--config", str(tmp_path / "none.toml"))
    assert result.exit_code == 2
    assert "none.toml" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--http", "nonsense"],
        ["--http", "127.0.0.1:99999"],
        ["--raw", ":"],
        ["--log-format", "xml"],
        ["--log-level", "loud"],
        ["--port", " "],
        ["--http", "127.0.0.1:9100"],  # the raw port's
        ["--hubs", "2"],  # real hubs are named in the configuration
        ["--nonsense"],
        ["nonsense"],
    ],
)
def test_a_wrong_flag_exits_with_2(counterhub: Command, arguments: list[str]) -> None:
    result = counterhub("run", *arguments)
    assert result.exit_code == 2
    assert result.err


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    path = Path(config(tmp_path, '[http]\nlisten = "127.0.0.1:1000"\nallowed_hosts = ["till-1.lan"]\n'))
    loaded = running.load_config(path, {"http.listen": "127.0.0.1:2000"})
    assert loaded.http.listen == "127.0.0.1:2000"
    assert loaded.http.allowed_hosts == ("till-1.lan",)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EADDRINUSE, "--http and --raw"),
        (errno.EACCES, "above 1023"),
        (errno.EADDRNOTAVAIL, "127.0.0.1 for this machine only"),
    ],
)
def test_a_start_that_fails_says_what_to_do(number: int, words: str) -> None:
    addresses = [Address("127.0.0.1", 9180), Address("127.0.0.1", 9100)]
    error = running.explain(OSError(number, os.strerror(number)), addresses, Words("en"))
    assert "127.0.0.1:9100" in error.message
    assert isinstance(error, CommandError)
    assert error.exit_code is ExitCode.FAILED
    assert words in (error.remedy or "")


def test_the_file_that_could_not_be_used_is_named() -> None:
    error = running.explain(PermissionError(errno.EACCES, "Permission denied", "/var/lib/counterhub"), [], Words("en"))
    assert "/var/lib/counterhub" in error.message


def serve_as(monkeypatch: pytest.MonkeyPatch, outcome: Addresses | Exception) -> list[Config]:
    """Replace the bridge by one that is ready at once and ends, or that fails."""
    seen: list[Config] = []

    async def serve(config: Config, *, on_ready: Callable[[Addresses], None]) -> None:
        seen.append(config)
        if isinstance(outcome, Exception):
            raise outcome
        on_ready(outcome)

    monkeypatch.setattr("host_bridge.bridge.serve", serve)
    return seen


@pytest.mark.parametrize("raw", ["127.0.0.1:9100", None])
def test_says_where_the_dashboard_is(counterhub: Command, monkeypatch: pytest.MonkeyPatch, raw: str | None) -> None:
    serve_as(monkeypatch, Addresses("http://127.0.0.1:9180", raw))
    result = counterhub("run", "--virtual")
    assert result.exit_code == 0
    assert len(result.out.splitlines()) == 1
    assert "with a virtual hub" in result.out
    assert "http://127.0.0.1:9180" in result.out
    assert ("127.0.0.1:9100" in result.out) == (raw is not None)


def test_every_flag_reaches_the_configuration(
    counterhub: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = serve_as(monkeypatch, Addresses("http://127.0.0.1:1", None))
    flags = {
        "--port": "loop://",
        "--http": "127.0.0.1:1",
        "--raw": "127.0.0.1:2",
        "--state-dir": str(tmp_path),
        "--log-format": "json",
        "--log-level": "debug",
    }
    assert counterhub("run", *(part for flag in flags.items() for part in flag)).exit_code == 0
    (config,) = seen
    given = (config.hub.port, config.http.listen, config.raw.listen)
    assert given == ("loop://", "127.0.0.1:1", "127.0.0.1:2")
    assert (config.state_path, config.log.format, config.log.level) == (tmp_path, "json", "debug")
    assert not config.virtual.enabled


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ServiceDied("the journal's task ended"), "Start it again"),
        (JournalError("the journal is in use by pid 17"), "pid 17"),
        (VirtualHubError("no pseudo-terminal"), "no pseudo-terminal"),
        (TimeoutError(), "did not stop in time"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "choose other ports"),
    ],
)
def test_a_bridge_that_cannot_go_on_exits_with_1(
    counterhub: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    serve_as(monkeypatch, error)
    result = counterhub("run")
    assert result.exit_code == 1
    assert words in result.err


def test_python_m_host_bridge_is_the_same_command() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "firmware")))}
    done = subprocess.run(
        [sys.executable, "-m", "host_bridge", "--version"], capture_output=True, env=environment, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"counterhub ")


def test_help_names_the_exit_codes(counterhub: Command) -> None:
    for command in ([], ["run"], ["status"], ["print"], ["scans"], ["drawer", "open"], ["ports"]):
        result = counterhub(*command, "--help")
        assert result.exit_code == 0
        assert "Exit codes" in result.out


def test_the_documented_exit_codes_are_those_that_exist() -> None:
    document = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"| {int(code)} |" in document
