"""The launcher of the embedded servers: repeatable, private, and plain about what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from finops_platform.embedded import home as homes
from finops_platform.embedded.credentials import APP_ROLE, OWNER_ROLE, secret
from finops_platform.embedded.errors import StartRefused
from finops_platform.embedded.home import REPOSITORY, Home, check_not_planted
from finops_platform.embedded.processes import is_alive, program_name
from finops_platform.embedded.services import Services, database_url, valkey_url
from finops_platform.embedded.supervisor import running_supervisor, sole_supervisor
from finops_platform.embedded.whole import Address

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A home with everything in its name that a careless launcher trips over.

    Short, because pytest's own directories are too long for a socket, and open to the server's
    user when root runs the tests.
    """
    place = Path("/tmp") / f"fin {os.getpid()}-{tmp_path.name[-8:]}" / "a \"b\" 'c' é"
    place.mkdir(parents=True)
    place.parent.chmod(0o711)
    place.chmod(0o711)
    yield place
    services(place).destroy()
    shutil.rmtree(place.parent)


def services(root: Path, *, durable: bool = False) -> Services:
    return Services(home=Home(root.resolve()), durable=durable)


def value_of(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def test_start_stop_and_start_again(root: Path) -> None:
    copy = services(root, durable=True)
    assert copy.start() == ["PostgreSQL", "Valkey"]
    assert copy.start() == []
    app = database_url(copy.home, role=APP_ROLE)
    owner = database_url(copy.home, role=OWNER_ROLE)
    assert value_of(app, "SELECT current_user") == "finops_app"
    assert value_of(app, "SHOW fsync") == "on"
    assert value_of(app, "SHOW listen_addresses") == ""
    assert value_of(app, "SHOW timezone") == "UTC"
    assert value_of(app, "SELECT extname FROM pg_extension WHERE extname = 'btree_gist'")
    assert redis.from_url(valkey_url(copy.home, scheme="unix", database=1)).ping() is True
    with psycopg.connect(owner) as connection:
        connection.execute("CREATE TABLE public.kept (n int)")
        connection.execute("INSERT INTO public.kept VALUES (42)")
    assert copy.stop() == ["Valkey", "PostgreSQL"]
    assert copy.stop() == []
    assert copy.start() == ["PostgreSQL", "Valkey"]
    assert value_of(app, "SELECT n FROM public.kept") == 42


def test_nothing_is_open_to_other_users(root: Path) -> None:
    copy = services(root)
    copy.start()
    private = (copy.home.secrets, copy.home.log, copy.home.documents, copy.postgres.data)
    for path in (*private, copy.postgres.socket_directory):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for path in copy.home.secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in (copy.home.var, copy.home.run):
        assert stat.S_IMODE(path.stat().st_mode) & 0o066 == 0, path
    assert stat.S_IMODE(copy.valkey.socket.stat().st_mode) == 0o700
    assert not [p for p in copy.postgres.base.iterdir() if p.name.startswith("partial-")]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=str(copy.postgres.socket_directory), user="postgres", password="no")


def test_two_copies_run_side_by_side(root: Path) -> None:
    first, second = services(root), services(root / "second")
    first.start()
    try:
        assert second.start() == ["PostgreSQL", "Valkey"]
        assert first.postgres.postmaster() != second.postgres.postmaster()
        assert secret(first.home, APP_ROLE) != secret(second.home, APP_ROLE)
        second.stop()
        assert value_of(database_url(first.home, role=APP_ROLE), "SELECT 1") == 1
    finally:
        second.destroy()


def test_killed_servers_leave_nothing_that_stops_the_next_start(root: Path) -> None:
    copy = services(root)
    copy.start()
    postmaster, valkey = copy.postgres.postmaster(), copy.valkey.pid()
    assert postmaster
    assert valkey
    os.kill(valkey, signal.SIGKILL)
    os.kill(postmaster, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_alive(postmaster) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (copy.postgres.data / "postmaster.pid").exists()
    assert copy.start() == ["PostgreSQL", "Valkey"]
    assert copy.postgres.postmaster() not in (None, postmaster)


def test_a_pid_file_that_names_another_program_is_stale(root: Path) -> None:
    copy = services(root)
    copy.start()
    copy.stop()
    (copy.postgres.data / "postmaster.pid").write_text(f"{os.getpid()}\nwhatever\n")
    assert copy.postgres.postmaster() is None
    assert copy.start() == ["PostgreSQL", "Valkey"]


def test_a_half_finished_initdb_is_thrown_away(root: Path) -> None:
    copy = services(root)
    copy.home.prepare()
    leftover = copy.postgres.base / "partial-0000"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18")
    copy.start()
    assert not leftover.exists()
    assert value_of(database_url(copy.home, role=APP_ROLE), "SELECT 1") == 1


def test_lost_secrets_are_named(root: Path) -> None:
    copy = services(root)
    copy.start()
    copy.stop()
    shutil.rmtree(copy.home.secrets)
    with pytest.raises(StartRefused, match=r"made with other passwords than those in .*secrets"):
        copy.start()


def test_foreign_files_in_the_data_directory_are_kept(root: Path) -> None:
    copy = services(root)
    copy.home.prepare()
    copy.postgres.data.mkdir(parents=True)
    (copy.postgres.data / "thesis.txt").write_text("mine")
    with pytest.raises(StartRefused, match="is there but is no PostgreSQL cluster"):
        copy.start()
    assert (copy.postgres.data / "thesis.txt").read_text() == "mine"


def test_a_cluster_of_another_version_is_named(root: Path) -> None:
    copy = services(root)
    copy.start()
    copy.stop()
    (copy.postgres.data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(StartRefused, match=r"made by PostgreSQL 9\.6, the installed one is 18"):
        copy.start()
    (copy.postgres.data / "PG_VERSION").write_text("18\n")


@pytest.mark.parametrize("name", ["long-" * 20, "one, two"])
def test_a_path_that_sockets_cannot_have_gets_short_ones(root: Path, name: str) -> None:
    copy = services(root / name)
    copy.home.root.mkdir()
    copy.home.root.chmod(0o711)
    try:
        copy.start()
        assert copy.home.sockets == copy.home.short_run
        assert copy.postgres.socket_directory.parent == copy.home.short_run
        assert value_of(database_url(copy.home, role=APP_ROLE), "SELECT 1") == 1
    finally:
        copy.destroy()
    assert not copy.home.short_run.exists()


def test_a_planted_directory_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(target)
    open_one = tmp_path / "open"
    open_one.mkdir()
    open_one.chmod(0o777)
    for planted in (link, open_one):
        with pytest.raises(StartRefused, match="not a private directory of ours"):
            check_not_planted(planted, owners={os.geteuid()})
    with pytest.raises(StartRefused):
        check_not_planted(target, owners={os.geteuid() + 1})
    check_not_planted(target, owners={os.geteuid()})


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(StartRefused, match=r"cannot create .*FINOPS_HOME"):
        Home(in_the_way).prepare()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a server as somebody else")
def test_root_in_a_closed_home_uses_a_reachable_place(root: Path) -> None:
    root.chmod(0o700)
    copy = services(root)
    copy.start()
    assert (copy.home.var / "postgres").is_symlink()
    place = copy.postgres.base
    assert place.parent == Path("/var/lib/finops-platform")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert value_of(database_url(copy.home, role=APP_ROLE), "SELECT 1") == 1
    copy.destroy()
    assert not place.exists()


def test_what_a_killed_starter_leaves_is_cleaned_up(root: Path) -> None:
    script = (
        "import time\n"
        "from finops_platform.embedded.guard import Guard\n"
        "from finops_platform.embedded.home import Home\n"
        "from finops_platform.embedded.services import Services\n"
        "import subprocess\n"
        "home = Home.from_environment()\n"
        "guard = Guard.post(home, aftermath='destroy')\n"
        "Services(home=home).start()\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "guard.watch(child.pid)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, "FINOPS_HOME": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout
    child = int(starter.stdout.readline())
    postmaster = services(root).postgres.postmaster()
    assert postmaster
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + 30
    while (root / "var").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not (root / "var").exists()
    assert program_name(postmaster) != "postgres"
    assert program_name(child) != "sleep"


def test_one_supervisor_a_home(root: Path) -> None:
    home = Home(root)
    assert running_supervisor(home) is None
    with sole_supervisor(home, port=8123):
        assert running_supervisor(home) == os.getpid()
        with (
            pytest.raises(StartRefused, match=rf"runs already \(process {os.getpid()}, port 8123"),
            sole_supervisor(home, port=8124),
        ):
            pass
    assert running_supervisor(home) is None


def test_a_taken_port_is_named_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            StartRefused, match=rf"port {port} is taken .* PORT={port + 1} make run"
        ):
            Address(host="127.0.0.1", port=port).check_free()
    Address(host="127.0.0.1", port=port).check_free()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8000 ", "8" * 50])
def test_a_port_is_a_number(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(StartRefused, match="which is no port"):
        Address.from_environment()


def test_a_foreign_host_is_named() -> None:
    with pytest.raises(StartRefused, match=r"cannot listen on 203\.0\.113\.9:8000.*Check HOST"):
        Address(host="203.0.113.9", port=8000).check_free()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
    ],
)
def test_the_local_url(host: str, url: str) -> None:
    assert Address(host=host, port=80).local_url == url


def test_sockets_fit_into_the_kernels_limit() -> None:
    deep = Home(Path("/" + "x" * homes.LONGEST_SOCKET_PATH))
    assert deep.sockets == deep.short_run
    assert len(os.fsencode(deep.sockets / "pg" / ".s.PGSQL.5432")) < 50
