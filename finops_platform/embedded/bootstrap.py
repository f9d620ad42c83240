"""Makes `.venv`, installs the hashed requirements and checks WeasyPrint's libraries.

Runs on the machine's own Python before anything is installed, so it uses the standard library only
and parses on Python 3.7, which is then told in a sentence that it is too old.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
VENV = REPOSITORY / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
NEWER_PYTHONS = ("python3.13", "python3.12", "python3.11", "python3.14")

# What WeasyPrint loads, by the names it tries itself.
LIBRARIES = {
    "gobject-2.0": ("libgobject-2.0.so.0", "libgobject-2.0.dylib", "libgobject-2.0.0.dylib"),
    "pango-1.0": ("libpango-1.0.so.0", "libpango-1.0.dylib", "libpango-1.0.0.dylib"),
    "pangoft2-1.0": ("libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib", "libpangoft2-1.0.0.dylib"),
    "harfbuzz": ("libharfbuzz.so.0", "libharfbuzz.dylib", "libharfbuzz.0.dylib"),
    "harfbuzz-subset": (
        "libharfbuzz-subset.so.0",
        "libharfbuzz-subset.dylib",
        "libharfbuzz-subset.0.dylib",
    ),
    "fontconfig": ("libfontconfig.so.1", "libfontconfig.dylib", "libfontconfig.1.dylib"),
}
PROBE = """
import ctypes, sys
def found(name):
    try: ctypes.CDLL(name)
    except OSError: return False
    return True
for group in sys.argv[1:]:
    name, *files = group.split(",")
    if not any(map(found, files)): print(name)
"""
DEBIAN_PACKAGES = ["libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fontconfig"]
BREW_LIBRARIES = "/opt/homebrew/lib:/usr/local/lib"


class Refused(Exception):
    """The machine lacks something; the message says what, and the command that brings it."""


def main(arguments: list[str]) -> int:
    """Prepare the virtual environment (`--dev`: with the tools), then become the rest's program."""
    files = ["requirements.txt"] + (["requirements-dev.txt"] if "--dev" in arguments else [])
    rest = [word for word in arguments if word != "--dev"]
    try:
        use_python_of_age(arguments)
        make_venv()
        install(files)
        check_libraries()
    except Refused as refusal:
        sys.stderr.write(f"error: {refusal}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; run the same command again to go on.\n")
        return 130
    if rest:
        sys.stdout.flush()
        os.execve(PYTHON, [str(PYTHON), *rest], library_environment())  # noqa: S606
    return 0


def use_python_of_age(arguments: list[str]) -> None:
    """Go on under a newer Python where this one is too old.

    :raises Refused: when there is none.
    """
    if sys.version_info >= OLDEST:
        return
    for name in NEWER_PYTHONS:
        path = shutil.which(name)
        if path:
            os.execv(path, [path, str(Path(__file__).resolve()), *arguments])  # noqa: S606
    raise Refused(
        f"Python {platform.python_version()} is too old; 3.11 or newer is needed. Debian 12 and "
        "Ubuntu 24.04 have it as python3; on macOS: brew install python@3.12. Name another one "
        "with PYTHON=/path/to/python3."
    )


def make_venv() -> None:
    """Create `.venv` unless it works already; a half-made one is made again.

    :raises Refused: when this Python cannot make one.
    """
    if works([PYTHON, "-c", f"import sys, pip; sys.exit(sys.version_info < {OLDEST!r})"]):
        return
    if not works([sys.executable, "-c", "import ensurepip, venv"]):
        raise Refused(
            "this Python cannot make virtual environments (ensurepip is missing). Install the "
            f"package python3-venv:\n\n    {sudo()}apt-get install python3-venv\n"
        )
    say("Creating .venv ...")
    if VENV.is_dir():
        shutil.rmtree(str(VENV))
    if call([sys.executable, "-m", "venv", VENV]) != 0:
        raise Refused("python -m venv failed; its own message is above.")


def install(names: list[str]) -> None:
    """Install requirement files, each package checked against its hash; quick when unchanged.

    :raises Refused: when pip fails.
    """
    stamp = VENV / f".installed-{'-'.join(names)}"
    wanted = digest(names)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"Installing {' and '.join(names)} (once; a minute or two) ...")
    command: list[str | Path] = [PYTHON, "-m", "pip", "install", "--quiet", "--no-input"]
    # The files name every package there is to install, so pip has nothing to resolve. Left to
    # resolve, it takes `coverage[toml]` for a package of its own and, a newer release being out,
    # finds that one unpinned.
    command += ["--disable-pip-version-check", "--require-hashes", "--no-deps"]
    for name in names:
        command += ["-r", REPOSITORY / name]
    if call(command, pip_environment()) != 0:
        raise Refused(
            "pip could not install the requirements; its own message is above. When the network "
            "failed, run the same command again."
        )
    if call([PYTHON, "-m", "pip", "check", "--quiet"], pip_environment()) != 0:
        raise Refused(
            "the requirements do not fit together; pip's own message is above. Compile them anew "
            "with make lock."
        )
    stamp.write_text(wanted)


def pip_environment() -> dict[str, str]:
    """Let pip install into `.venv` whatever the machine's own pip settings wish."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("PIP_USER", "PIP_TARGET", "PYTHONPATH")
    }
    return {**kept, "PIP_ROOT_USER_ACTION": "ignore"}


def digest(names: list[str]) -> str:
    """Return what the installation depends on, as one hash."""
    state = hashlib.sha256(str(PYTHON.resolve()).encode())
    for name in names:
        state.update((REPOSITORY / name).read_bytes())
    return state.hexdigest()


def check_libraries() -> None:
    """See that WeasyPrint can load Pango and its friends; install them with apt when we may.

    :raises Refused: with the exact command, when we may not.
    """
    missing = missing_libraries()
    if not missing:
        return
    words = f"WeasyPrint, which makes the PDFs, needs the libraries {', '.join(missing)}. "
    command = install_command()
    if command is None:
        raise Refused(f"{words}Install Pango 1.44 or newer with the system's package manager.")
    if not may_install(command):
        raise Refused(f"{words}Install them, then run again:\n\n    {' '.join(command)}\n")
    say(f"Installing {' '.join(DEBIAN_PACKAGES)} ...")
    run_apt(command)
    if missing_libraries():
        raise Refused(f"{words}apt-get ran but they are still missing; its output is above.")


def missing_libraries() -> list[str]:
    """Try to load each library in a fresh process, as WeasyPrint will."""
    groups = [",".join((name, *files)) for name, files in LIBRARIES.items()]
    command = [str(PYTHON), "-c", PROBE, *groups]
    output = subprocess.check_output(command, env=library_environment())  # noqa: S603
    return output.decode().split()


def library_environment() -> dict[str, str]:
    """Let the loader of macOS look where Homebrew puts libraries."""
    if platform.system() != "Darwin":
        return dict(os.environ)
    return {"DYLD_FALLBACK_LIBRARY_PATH": BREW_LIBRARIES, **os.environ}


def install_command() -> list[str] | None:
    """Return the command that brings the libraries on this machine; None where we know none."""
    if platform.system() == "Darwin":
        return ["brew", "install", "pango"]
    if shutil.which("apt-get"):
        words = f"{sudo()}apt-get install -y --no-install-recommends".split()
        return [*words, *DEBIAN_PACKAGES]
    if shutil.which("dnf"):
        return f"{sudo()}dnf install -y pango harfbuzz fontconfig".split()
    return None


def may_install(command: list[str]) -> bool:
    """Only apt, and only as root or with a sudo that asks no password."""
    if "apt-get" not in command:
        return False
    return os.geteuid() == 0 or works(["sudo", "-n", "true"])


def run_apt(command: list[str]) -> None:
    """Install; on failure refresh the package lists once, as a bare image has none.

    :raises Refused: when apt-get fails.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if call(command, environment) == 0:
        return
    update = [*command[: command.index("apt-get") + 1], "update"]
    if call(update, environment) != 0 or call(command, environment) != 0:
        raise Refused(
            f"apt-get failed; its own message is above. By hand:\n\n    {' '.join(command)}\n"
        )


def sudo() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def call(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> int:
    """Run a command on our own terminal and return its status."""
    return subprocess.call([str(word) for word in command], env=environment)  # noqa: S603


def works(command: Sequence[str | Path]) -> bool:
    """Say whether a command runs and succeeds, without a word."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, check=False)  # noqa: S603
    except OSError:
        return False
    return done.returncode == 0


def say(text: str) -> None:
    """Print at once: pip's own output follows."""
    sys.stdout.write(f"setup  | {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
