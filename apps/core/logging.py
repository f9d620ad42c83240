"""Structured logs: one JSON object a line that carries tenant, request id and task id by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"
SECRET_NAMES = re.compile(
    r"passw|secret|token|authorization|cookie|api_?key|credential", re.IGNORECASE
)
# Counts and ids that merely contain one of the words above, as this field is all about tokens.
PLAIN_NAMES = re.compile(r"tokens|token_count|key_prefix|key_id", re.IGNORECASE)
SECRET_VALUES = re.compile(r"\bfp_[A-Za-z0-9_\-]{8,}|(?<=://)[^\s/:@]*:[^\s/@]+(?=@)")


# Local variables stay out of tracebacks: they hold passwords, keys and other people's rows.
_tracebacks = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def logging_config(*, level: str, as_json: bool) -> dict[str, Any]:
    """Configure structlog and return the matching `logging.config` dictionary for Django.

    Records of the standard library and of structlog go through the same processors, so that a
    line from Django or Celery carries the same ids as one of ours.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_tenant,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": _final_processors(as_json=as_json),
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.request": {"level": "ERROR"},  # a client error is the client's to see
            # A task's end is one line; that it was due and received is two more too many.
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "fontTools": {"level": "WARNING"},
            "weasyprint": {"level": "ERROR"},
        },
    }


def _final_processors(*, as_json: bool) -> list[Processor]:
    rendering: list[Processor] = (
        [_tracebacks, hide_secrets, structlog.processors.JSONRenderer()]
        if as_json
        else [
            hide_secrets,
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering]


def add_tenant(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the schema of this thread's database connection unless the record names a tenant."""
    if "tenant" not in event:
        from django.db import connection

        schema = getattr(connection, "schema_name", None)
        if schema:
            event["tenant"] = schema
    return event


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace values under secret-looking names, and keys or passwords inside texts."""
    return {name: _without_secrets(name, value) for name, value in event.items()}


def _without_secrets(name: str, value: Any) -> Any:
    if SECRET_NAMES.search(name) and not PLAIN_NAMES.search(name):
        return HIDDEN
    if isinstance(value, str):
        return SECRET_VALUES.sub(HIDDEN, value)
    if isinstance(value, Mapping):
        return {k: _without_secrets(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets("", item) for item in value]
    return value


def current_request_id() -> str | None:
    """Return the id of the request being answered on this thread; None outside one."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return str(found) if found else None
