"""Environment variables: what they mean, and which words are said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from finops_platform.env import (
    Env,
    SettingInvalid,
    parse_database,
    parse_email,
    parse_redis,
    parse_storage,
)


def test_a_variable_or_the_file_it_names(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("s3cret\n")
    assert Env({"KEY": "direct"}).text("KEY") == "direct"
    assert Env({"KEY_FILE": str(secret)}).text("KEY") == "s3cret"
    assert Env({"KEY": ""}).text("KEY", default="fallback") == "fallback"
    assert Env({}).optional("KEY") is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "KEY: is required here; set KEY or KEY_FILE."),
        ({"KEY": "a", "KEY_FILE": "/b"}, "KEY: set either KEY or KEY_FILE, not both."),
        ({"KEY_FILE": "/nowhere/key"}, "KEY_FILE: cannot read /nowhere/key"),
    ],
)
def test_a_missing_secret_is_named(values: dict[str, str], words: str) -> None:
    with pytest.raises(SettingInvalid, match=words.replace(".", r"\.")):
        Env(values).text("KEY")


def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "key"
    empty.write_text("\n")
    with pytest.raises(SettingInvalid, match="is empty"):
        Env({"KEY_FILE": str(empty)}).text("KEY")


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
def test_yes(word: str) -> None:
    assert Env({"F": word}).flag("F", default=False) is True


@pytest.mark.parametrize("word", ["0", "False", "no", "OFF"])
def test_no(word: str) -> None:
    assert Env({"F": word}).flag("F", default=True) is False


def test_a_flag_is_never_guessed() -> None:
    with pytest.raises(SettingInvalid, match="'maybe' is neither yes nor no"):
        Env({"F": "maybe"}).flag("F", default=False)


@pytest.mark.parametrize("text", ["-1", "65536", "8000x", "1e3", "٣", "9" * 4000])
def test_a_number_is_digits_within_its_bounds(text: str) -> None:
    with pytest.raises(SettingInvalid, match="is not a whole number from 1 to 65535"):
        Env({"PORT": text}).number("PORT", default=8000, low=1, high=65535)


def test_words_are_split_and_trimmed() -> None:
    assert Env({"HOSTS": " a.example, ,b.example "}).words("HOSTS") == ["a.example", "b.example"]


def test_database_url() -> None:
    found = parse_database(
        "DATABASE_URL", "postgresql://me:p%40ss@db.example:5433/fin?sslmode=require"
    )
    assert (found["USER"], found["PASSWORD"]) == ("me", "p@ss")
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example", "5433", "fin")
    assert found["OPTIONS"] == {"sslmode": "require"}


def test_database_url_of_a_socket_keeps_case_and_spaces() -> None:
    found = parse_database("DATABASE_URL", "postgresql://me:x@%2FUsers%2FMy%20Name%2Frun:5432/fin")
    assert found["HOST"] == "/Users/My Name/run"


def test_database_url_of_an_ipv6_host() -> None:
    assert parse_database("D", "postgresql://me:x@[::1]:5432/fin")["HOST"] == "::1"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://me@host/fin", "must start with one of postgresql:, postgres:"),
        ("postgresql://me@host/", "names no database"),
        ("postgresql://host/fin", "names no user"),
        ("postgresql://me@host:70000/fin", "impossible port"),
        ("postgresql://me@host/fin?sslmod=require", "unknown options sslmod"),
        ("postgresql://me@[host/fin", "is not a URL"),
    ],
)
def test_wrong_database_urls(url: str, words: str) -> None:
    with pytest.raises(SettingInvalid, match=f"DATABASE_URL: .*{words}"):
        parse_database("DATABASE_URL", url)


def test_broker_url_has_a_known_scheme() -> None:
    assert parse_redis("BROKER_URL", "amqp://host//", schemes=("redis", "amqp")) == "amqp://host//"
    with pytest.raises(SettingInvalid, match=r"BROKER_URL: must start with one of redis:, amqp:"):
        parse_redis("BROKER_URL", "sqs://", schemes=("redis", "amqp"))


def test_storage_in_a_directory() -> None:
    found = parse_storage("STORAGE_URL", "file:///var/lib/my%20docs")
    assert found["OPTIONS"]["location"] == "/var/lib/my docs"
    assert found["OPTIONS"]["base_url"] is None


def test_storage_in_a_bucket() -> None:
    url = "s3://My-Bucket/some/prefix/?endpoint=https://s3.example&region=eu-central-1"
    options = parse_storage("STORAGE_URL", url)["OPTIONS"]
    assert options["bucket_name"] == "My-Bucket"
    assert options["location"] == "some/prefix"
    assert options["endpoint_url"] == "https://s3.example"
    assert options["region_name"] == "eu-central-1"


@pytest.mark.parametrize("url", ["file://documents", "file:documents", "s3:///prefix", "gs://b/p"])
def test_wrong_storage_urls(url: str) -> None:
    with pytest.raises(SettingInvalid, match="STORAGE_URL: "):
        parse_storage("STORAGE_URL", url)


def test_mail_by_starttls_unless_told_otherwise() -> None:
    found = parse_email("EMAIL_URL", "smtp://me%40example.com:pw@mail.example")
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example", 587)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_USE_TLS"]) == ("me@example.com", True)
    assert parse_email("EMAIL_URL", "smtp://mail:1025?tls=0")["EMAIL_USE_TLS"] is False


def test_mail_over_tls_from_the_start() -> None:
    found = parse_email("EMAIL_URL", "smtps://mail.example")
    assert (found["EMAIL_PORT"], found["EMAIL_USE_SSL"], found["EMAIL_USE_TLS"]) == (
        465,
        True,
        False,
    )


@pytest.mark.parametrize("url", ["smtp:", "pop3://mail", "file://mail", "smtp://mail?tsl=1"])
def test_wrong_mail_urls(url: str) -> None:
    with pytest.raises(SettingInvalid, match="EMAIL_URL: "):
        parse_email("EMAIL_URL", url)
