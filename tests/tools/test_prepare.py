"""Preparing the environment: only what is missing, and clear words for what can't be helped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import prepare


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without an environment."""
    (tmp_path / "requirements").mkdir()
    for name in ("run", "dev", "setup"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"{name} 1")
    (tmp_path / "pyproject.toml").write_text("1")
    monkeypatch.setattr(prepare, "ROOT", str(tmp_path))
    monkeypatch.setattr(prepare, "VENV", str(tmp_path / ".venv"))
    return tmp_path


@pytest.fixture
def commands(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be run; every command succeeds."""
    done: list[str] = []

    def run(command: list[str], complaint: str) -> None:
        done.append(" ".join(command[1:]))
        (place / ".venv").mkdir(exist_ok=True)

    monkeypatch.setattr(prepare, "run", run)
    monkeypatch.setattr(prepare, "venv_is_sound", (place / ".venv").exists)
    return done


def test_from_nothing_it_makes_the_environment_installs_by_hash_and_says_so(
    commands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main(["run"]) == 0
    assert len(commands) == 3
    assert "-m venv" in commands[0]
    assert "--require-hashes" in commands[1]
    assert "--no-deps --no-build-isolation" in commands[2]
    assert [line[:5] for line in capsys.readouterr().out.splitlines()] == ["[1/3]", "[2/3]", "[3/3]"]


def test_a_second_time_there_is_nothing_to_do_and_nothing_is_said(
    commands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    prepare.main(["dev"])
    commands.clear()
    capsys.readouterr()
    assert prepare.main(["dev"]) == 0
    assert prepare.main(["run"]) == 0  # dev.txt holds all that run.txt holds
    assert commands == []
    assert capsys.readouterr().out == ""


def test_a_changed_lock_is_installed_again(commands: list[str], place: Path) -> None:
    prepare.main(["run"])
    commands.clear()
    (place / "requirements" / "run.txt").write_text("run 2")
    prepare.main(["run"])
    assert "--require-hashes" in commands[0]


def test_after_a_failure_it_begins_where_it_stopped(
    commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_network(name: str) -> None:
        raise prepare.Trouble("is the network reachable?")

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "install_lock", no_network)
        assert prepare.main(["run"]) == 1
    assert "is the network reachable?" in capsys.readouterr().err
    commands.clear()
    assert prepare.main(["run"]) == 0
    assert ["--require-hashes" in command for command in commands] == [True, False]


def test_a_moved_folder_is_installed_again(commands: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare.main(["run"])
    assert prepare.is_fresh("project")
    stamp = Path(prepare.stamp_path("project")).read_text()
    monkeypatch.setattr(prepare, "ROOT", f"{place}/.")
    assert prepare.wanted_stamp("project") != stamp


@pytest.mark.parametrize("version", [(3, 10), (3, 6), (2, 7)])
def test_an_old_python_is_told_what_is_needed(version: tuple[int, int]) -> None:
    with pytest.raises(prepare.Trouble, match=r"needs Python 3\.11 or newer, this is {}\.{}".format(*version)):
        prepare.check_python(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 14), (4, 0)])
def test_a_newer_python_will_do(version: tuple[int, int]) -> None:
    prepare.check_python(version)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_what_to_install(
    place: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(prepare.Trouble, match=f"without `{module}`(?s:.*)apt install python3-venv"):
        prepare.create_venv()


def test_a_broken_environment_is_not_taken_for_sound(place: Path) -> None:
    assert not prepare.venv_is_sound()
    python = Path(prepare.venv_python())
    python.parent.mkdir(parents=True)
    python.write_text("#!/nonexistent\n")
    python.chmod(0o755)
    assert not prepare.venv_is_sound()


def test_a_failed_command_shows_its_last_lines(place: Path) -> None:
    code = "print('\\n'.join(map(str, range(100)))); raise SystemExit(3)"
    with pytest.raises(prepare.Trouble) as trouble:
        prepare.run([sys.executable, "-c", code], "it failed")
    assert str(trouble.value).splitlines()[0] == "it failed"
    assert str(trouble.value).splitlines()[-1].strip() == "99"
    assert len(str(trouble.value).splitlines()) == 21


def test_a_command_that_hangs_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "PIP_TIMEOUT_S", 0.2)
    with pytest.raises(prepare.Trouble, match="no answer within"):
        prepare.run([sys.executable, "-c", "import time; time.sleep(60)"], "it hung")


@pytest.mark.parametrize("arguments", [[], ["everything"], ["run", "dev"]])
def test_wrong_arguments_are_a_usage_error(arguments: list[str]) -> None:
    assert prepare.main(arguments) == 2


def test_timed_passes_the_exit_code_on_and_says_how_long_it_took() -> None:
    script = Path(prepare.__file__).with_name("timed.py")
    for code in (0, 3):
        command = [sys.executable, str(script), "words", sys.executable, "-c", f"raise SystemExit({code})"]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)
        assert done.returncode == code
        assert "words: " + ("passed" if code == 0 else "failed (exit code 3)") in done.stdout
    missing = subprocess.run([sys.executable, str(script), "words", "no-such-program"], capture_output=True, timeout=60)
    assert missing.returncode == 127
