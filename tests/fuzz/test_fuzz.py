"""What fuzzers found worth keeping, and a short run of each. The long runs: `python -m tests.fuzz`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz import targets

SHORT_RUN = {"receipt": 40, "board": 40, "configuration": 100, "raw": 60, "http": 60}
OTHERS = 200
KEPT = [(name, path) for name in fuzz.NAMES for path in sorted((fuzz.CORPUS / name).glob("*.bin"))]


def test_every_target_has_seeds_that_hold() -> None:
    assert set(targets.TARGETS) == set(fuzz.NAMES)
    for name, target in targets.TARGETS.items():
        seeds = target.seeds()
        assert seeds
        for seed in seeds[:12]:
            assert fuzz.holds(name, target.check, seed)


@pytest.mark.parametrize(("name", "path"), KEPT, ids=[f"{name}-{path.stem}" for name, path in KEPT])
def test_a_kept_input_is_harmless(name: str, path: Path) -> None:
    targets.TARGETS[name].check(path.read_bytes())


@pytest.mark.parametrize("name", fuzz.NAMES)
def test_a_short_run_breaks_nothing(name: str) -> None:
    inputs = SHORT_RUN.get(name, OTHERS)
    assert fuzz.run(name, inputs, seed=1) == inputs


def test_a_failure_is_kept_and_replayed_by_the_command_that_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fuzz, "WORK", tmp_path)
    monkeypatch.setattr(fuzz, "ROOT", tmp_path)
    told: list[str] = []

    def breaks(data: bytes) -> None:
        assert b"\x00" not in data, "a NUL"

    assert not fuzz.holds("commands", breaks, b"a\x00b", told.append)
    assert "a NUL" in told[0]
    assert told[1].endswith("replay: python -m tests.fuzz commands --replay commands-failed.bin")
    assert (tmp_path / "commands-failed.bin").read_bytes() == b"a\x00b"


def test_a_session_that_logs_an_error_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    from host_bridge.interfaces.raw_client import Client

    def broken(client: Client) -> None:
        raise RuntimeError("made to fail")

    monkeypatch.setattr(Client, "_check_limits", broken)
    with pytest.raises(AssertionError, match="made to fail"):
        targets.TARGETS["raw"].check(b"\x30tea\n")


def test_without_atheris_a_guided_run_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert fuzz.guided("commands", 1, 1) == 1
    assert "pip install atheris" in capsys.readouterr().err
