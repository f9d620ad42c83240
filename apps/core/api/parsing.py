"""Reads JSON bodies strictly: what no service could keep is refused at the door, with a reason."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rest_framework.parsers import BaseParser

from apps.core.domain.errors import Invalid

DEEPEST: Final = 64
LONGEST_WHOLE: Final = 40
_UTF8: Final = {"", "utf-8", "utf8", "us-ascii"}


class StrictJsonParser(BaseParser):
    """JSON in UTF-8, nested 64 levels at most, of finite numbers and whole characters."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body as Python values.

        :raises Invalid: when it is no JSON, or holds what cannot be stored exactly.
        """
        _refuse_encodings(stream, parser_context or {})
        return strict_json(stream.read())


def strict_json(body: bytes) -> Any:
    """Return the values of a JSON text.

    :raises Invalid: when it is none, nested too deep, or holds a number or text we cannot keep.
    """
    try:
        sent = json.loads(
            body.decode("utf-8-sig"), parse_int=_whole, parse_float=_number, parse_constant=_number
        )
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Invalid("The body is not UTF-8; encode it so.", code="encoding") from None
    except json.JSONDecodeError as error:
        raise Invalid(f"The body is no JSON that can be read: {error}.", code="not_json") from None
    for text in _texts(sent):
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise Invalid(
                "A text in the body holds half a character (a lone surrogate); encode it as UTF-8.",
                code="encoding",
            )
    return sent


def _texts(sent: Any) -> Iterator[str]:
    level = [sent]
    for _ in range(DEEPEST + 1):
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict):
                yield from value
                deeper.extend(value.values())
            elif isinstance(value, list):
                deeper.extend(value)
        if not deeper:
            return
        level = deeper
    raise _too_deep()


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_WHOLE:
        raise Invalid(
            f"A number in the body has more than {LONGEST_WHOLE} digits; send a smaller one.",
            code="range",
        )
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Invalid(
            f"The number {text[:40]} in the body is out of range; send a finite one.", code="range"
        )
    return value


def _too_deep() -> Invalid:
    return Invalid(f"The JSON is nested deeper than {DEEPEST} levels.", code="too_deep")


def _refuse_encodings(stream: Any, context: Mapping[str, Any]) -> None:
    request = context.get("request")
    headers = getattr(request, "headers", None) or getattr(stream, "headers", {})
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise Invalid(
            f"The content encoding {encoding!r} is not taken here; send the body as it is.",
            code="content_encoding",
        )
    for parameter in headers.get("Content-Type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' "').lower() not in _UTF8:
            raise Invalid(
                f"The charset {value.strip()!r} is not taken; encode the body as UTF-8.",
                code="charset",
            )
