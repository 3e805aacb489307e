"""No chip lives on after a test that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.emulator.harness import english_environment

DEADLINE_S = 60.0
CHILD = "from tests.emulator import tied; import time; tied.to_parent(); print('tied', flush=True); time.sleep(100)"
# A test's process, and the one that it has started.
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdin=subprocess.PIPE)
time.sleep(100)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a killed process of Windows takes another way")


def test_a_tied_process_ends_when_its_parent_is_killed() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=english_environment()) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"tied\n"
        parent.send_signal(signal.SIGKILL)
        out, _ = parent.communicate(timeout=DEADLINE_S)  # which ends when the last who could write there is gone
        assert out == b"" and parent.returncode == -signal.SIGKILL


def test_a_module_is_run_with_its_arguments_and_its_exit_code_is_its_own() -> None:
    command = [sys.executable, "-m", "tests.emulator.tied", "calendar", "2026", "11"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=english_environment()) as process:
        assert process.stdout is not None and b"November 2026" in process.stdout.read()
        assert process.wait(DEADLINE_S) == 0
