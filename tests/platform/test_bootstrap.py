"""The first step on a bare machine: what it finds missing, and the exact words for it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from finops_platform.embedded import bootstrap


@pytest.fixture
def no_venv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / ".venv" / "bin" / "python")


def test_a_python_without_ensurepip_names_the_package(
    no_venv: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "works", lambda _command: False)
    with pytest.raises(bootstrap.Refused, match="apt-get install python3-venv"):
        bootstrap.make_venv()


def test_missing_libraries_end_in_the_command_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "missing_libraries", lambda: ["pango-1.0"])
    monkeypatch.setattr(bootstrap, "may_install", lambda _command: False)
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(bootstrap.Refused) as refusal:
        bootstrap.check_libraries()
    assert "needs the libraries pango-1.0" in str(refusal.value)
    assert (
        "    sudo apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 "
        "libharfbuzz-subset0 fontconfig\n"
    ) in str(refusal.value)


def test_on_a_mac_the_command_is_brews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.platform, "system", lambda: "Darwin")
    command = bootstrap.install_command()
    assert command == ["brew", "install", "pango"]
    assert bootstrap.may_install(command) is False


def test_apt_runs_for_root_only_or_with_a_sudo_that_does_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["sudo", "apt-get", "install"]
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "works", lambda words: words == ["sudo", "-n", "true"])
    assert bootstrap.may_install(command) is True
    monkeypatch.setattr(bootstrap, "works", lambda _words: False)
    assert bootstrap.may_install(command) is False
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0)
    assert bootstrap.may_install(command) is True


def test_the_libraries_it_looks_for_are_those_that_weasyprint_loads() -> None:
    import weasyprint.text.ffi as ffi

    loaded = Path(ffi.__file__).read_text()
    for files in bootstrap.LIBRARIES.values():
        assert any(name.split(".so")[0] in loaded for name in files), files


def test_an_old_python_can_at_least_read_it() -> None:
    ast.parse(Path(bootstrap.__file__).read_text(), feature_version=(3, 7))


def test_the_installation_depends_on_the_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = bootstrap.digest(["requirements.txt"]), bootstrap.digest(["requirements-dev.txt"])
    assert one != two
    assert one == bootstrap.digest(["requirements.txt"])
