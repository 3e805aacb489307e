# -*- coding: utf-8 -*-
"""Make or refresh `.venv` from the locks: `python3 tools/prepare.py run|dev|setup`.

Only the standard library, and only syntax that old Pythons can read, so that a Python that is too old gets an
answer and not a traceback. Works on Windows too: `py tools\\prepare.py run`.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import time

OLDEST_PYTHON = (3, 11)
PIP_TIMEOUT_S = 900  # a slow shop line and a cold cache; pip has its own, shorter deadline for each connection
PROFILES = {"run": ["run"], "dev": ["dev"], "setup": ["run", "setup"]}
COVERS = {"run": ["run"], "dev": ["dev", "run"], "setup": ["setup", "run"]}  # dev.txt holds all that run.txt holds

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")


class Trouble(Exception):
    """Something the person at the keyboard has to change."""


def main(arguments):
    if len(arguments) != 1 or arguments[0] not in PROFILES:
        sys.stderr.write("usage: prepare.py %s\n" % "|".join(sorted(PROFILES)))
        return 2
    try:
        prepare(arguments[0])
    except Trouble as trouble:
        sys.stderr.write("%s %s\n" % (paint("31;1", "error:", sys.stderr), trouble))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; run the same command again to go on\n")
        return 130
    return 0


def prepare(profile):
    """Do only what is missing, one line a step."""
    check_python(sys.version_info[:2])
    steps = []
    if not venv_is_sound():
        steps.append(("creating .venv with Python %d.%d" % sys.version_info[:2], create_venv))
    for name in PROFILES[profile]:
        if steps or not is_fresh(name):
            steps.append(("installing the locked packages for %s" % name, functools.partial(install_lock, name)))
    if steps or not is_fresh("project"):
        steps.append(("installing Counterhub itself", install_project))
    for number, (words, action) in enumerate(steps, 1):
        say_step(number, len(steps), words, action)


def check_python(version):
    if tuple(version) < OLDEST_PYTHON:
        raise Trouble(
            "Counterhub needs Python %d.%d or newer, this is %d.%d (%s).\n"
            "  Install a newer one, or name one you have: make PYTHON=python3.12 …"
            % (OLDEST_PYTHON + tuple(version) + (sys.executable,))
        )


def say_step(number, total, words, action):
    """Print what is being done, then how long it took."""
    started = time.monotonic()
    sys.stdout.write("%s %s …" % (paint("36", "[%d/%d]" % (number, total)), words))
    sys.stdout.write("\n" if not sys.stdout.isatty() else "")
    sys.stdout.flush()
    try:
        action()
    except BaseException:
        if sys.stdout.isatty():
            sys.stdout.write("\n")
            sys.stdout.flush()
        raise
    if sys.stdout.isatty():
        sys.stdout.write(" %s (%.0f s)\n" % (paint("32", "done"), time.monotonic() - started))


# --- the three steps


def create_venv():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as missing:
        raise Trouble(
            "this Python (%s) comes without `%s`, which makes virtual environments.\n"
            "  Debian, Ubuntu, Raspberry Pi OS: sudo apt install python3-venv\n"
            "  elsewhere: install Python with its full standard library, or name another: make PYTHON=… "
            % (sys.executable, missing.name)
        )
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", VENV], "could not create .venv")


def install_lock(name):
    """Install exactly what the lock says, by hash, and only ready-built packages where there are some."""
    pip("install", "--require-hashes", "--prefer-binary", "-r", lock_path(name))
    for covered in COVERS[name]:
        write_stamp(covered)


def install_project():
    pip("install", "--no-deps", "--no-build-isolation", "--editable", ROOT)
    write_stamp("project")


def pip(*arguments):
    command = [venv_python(), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run(command + list(arguments), "pip could not install the packages; is the network reachable?")


def run(command, complaint):
    """Run quietly; show the output only if it failed."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PIP_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise Trouble("%s (no answer within %d s)" % (complaint, PIP_TIMEOUT_S))
    except OSError as error:
        raise Trouble("%s: %s" % (complaint, error))
    if done.returncode:
        last_lines = done.stdout.decode("utf-8", "replace").strip().splitlines()[-20:]
        raise Trouble("%s\n  %s" % (complaint, "\n  ".join(last_lines)))


# --- what is there already


def venv_python():
    if os.name == "nt":
        return os.path.join(VENV, "Scripts", "python.exe")
    return os.path.join(VENV, "bin", "python")


def venv_is_sound():
    """False if .venv is missing, half made, without pip, too old, or belongs to a Python that was removed."""
    probe = "import sys, pip; sys.exit(0 if sys.version_info[:2] >= (%d, %d) else 1)" % OLDEST_PYTHON
    try:
        done = subprocess.run(
            [venv_python(), "-c", probe], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def lock_path(name):
    return os.path.join(ROOT, "requirements", name + ".txt")


def stamp_path(name):
    return os.path.join(VENV, "counterhub-%s.stamp" % name)


def wanted_stamp(name):
    """What the stamp says when the environment is up to date: a hash of the lock and of where the project is."""
    source = os.path.join(ROOT, "pyproject.toml") if name == "project" else lock_path(name)
    with open(source, "rb") as file:
        content = file.read()
    return hashlib.sha256(content + ROOT.encode("utf-8")).hexdigest()


def is_fresh(name):
    try:
        with open(stamp_path(name)) as file:
            return file.read() == wanted_stamp(name)
    except OSError:
        return False


def write_stamp(name):
    with open(stamp_path(name), "w") as file:
        file.write(wanted_stamp(name))


def paint(code, text, stream=sys.stdout):
    """Colour on a terminal, plain text anywhere else and where NO_COLOR is set."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.name == "nt":
        return text
    return "\033[%sm%s\033[0m" % (code, text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
