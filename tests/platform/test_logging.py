"""Log lines: JSON, with the ids they need and without the secrets they meet."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings
from django_tenants.utils import schema_context

from apps.core.logging import HIDDEN, hide_secrets, logging_config


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Catch what goes to the console while the real configuration is in place."""
    stream = io.StringIO()
    config = logging_config(level="INFO", as_json=True)
    config["handlers"]["console"]["stream"] = stream
    before = logging.getLogger().handlers[:]
    logging.config.dictConfig(config)
    yield stream
    logging.config.dictConfig(settings.LOGGING)
    logging.getLogger().handlers[:] = before
    structlog.contextvars.clear_contextvars()


def only_line(stream: io.StringIO) -> dict[str, Any]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("library", ["structlog", "standard"])
def test_a_line_carries_tenant_and_request(lines: io.StringIO, library: str) -> None:
    structlog.contextvars.bind_contextvars(request_id="r-12345678")
    with schema_context("t_acme"):
        if library == "structlog":
            structlog.get_logger("apps.closing").info("closed", month="2026-10")
        else:
            logging.getLogger("apps.closing").info("closed", extra={"month": "2026-10"})
    line = only_line(lines)
    assert (line["tenant"], line["request_id"], line["month"]) == (
        "t_acme",
        "r-12345678",
        "2026-10",
    )
    assert (line["event"], line["level"], line["logger"]) == ("closed", "info", "apps.closing")
    assert line["timestamp"].endswith("Z")


def test_a_named_tenant_wins_over_the_connections(lines: io.StringIO) -> None:
    structlog.get_logger("x").info("done", tenant="t_globex")
    assert only_line(lines)["tenant"] == "t_globex"


def test_a_traceback_stays_on_one_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("with postgresql://app:hunter2@db/x inside")
    except ValueError:
        structlog.get_logger("x").exception("failed", api_key="fp_abcdefgh12345678")
    line = only_line(lines)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in lines.getvalue()
    assert "fp_abcdefgh" not in lines.getvalue()


@pytest.mark.parametrize(
    "name", ["password", "SECRET_KEY", "Authorization", "api_key", "cookie", "token", "credentials"]
)
def test_values_of_secret_names_are_hidden(name: str) -> None:
    assert hide_secrets(None, "info", {name: "value"}) == {name: HIDDEN}
    assert hide_secrets(None, "info", {"deep": {name: "value"}}) == {"deep": {name: HIDDEN}}


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "context_tokens", "key_prefix"])
def test_counts_of_tokens_are_no_secrets(name: str) -> None:
    assert hide_secrets(None, "info", {name: 128}) == {name: 128}


def test_keys_and_passwords_inside_texts_are_hidden() -> None:
    event = {"event": "sent fp_abcdefgh12345678 to redis://me:pw@host/0", "n": ["fp_abcdefgh12"]}
    assert hide_secrets(None, "info", event) == {
        "event": f"sent {HIDDEN} to redis://{HIDDEN}@host/0",
        "n": [HIDDEN],
    }
