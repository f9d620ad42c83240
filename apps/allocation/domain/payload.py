"""Rules as they travel: read from JSON with every wrong field named, and written back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

from apps.allocation.domain.check import RuleRefused
from apps.allocation.domain.rules import (
    FACT_FIELDS,
    Axis,
    Method,
    Receivers,
    Rule,
    Scope,
    Tier,
    ZeroPolicy,
)
from apps.core.domain.errors import FieldError, Invalid
from apps.core.domain.months import Month

EVERYONE: Final = "*"
_FIELDS: Final = (
    "code",
    "name",
    "axis",
    "method",
    "scope",
    "receivers",
    "level",
    "priority",
    "driver",
    "zero_policy",
    "final_only",
    "percent",
    "tiers",
    "minimum_share",
    "maximum_share",
    "first_month",
    "last_month",
)
_CODE_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_TEXT_LIMIT: Final = 256
_MOST_TIERS: Final = 20

Word = TypeVar("Word", bound=StrEnum)


def read_rule(body: Mapping[str, Any], *, first_month: Month) -> Rule:
    """Return the rule that a JSON object says; `first_month` is taken when it names none.

    :raises RuleRefused: naming every field that cannot be read.
    """
    reader = _Reader(body)
    rule = Rule(
        code=reader.code(),
        name=reader.text("name", limit=200),
        axis=reader.word("axis", Axis, Axis.TEAM),
        method=reader.word("method", Method, Method.EVEN),
        scope=reader.scope(),
        receivers=reader.receivers(),
        level=reader.number("level", 1, most=100),
        priority=reader.number("priority", 100, most=10_000),
        driver=reader.text("driver", limit=64),
        zero_policy=reader.word("zero_policy", ZeroPolicy, ZeroPolicy.UNALLOCATED),
        final_only=reader.flag("final_only"),
        percent=reader.decimal("percent", body.get("percent", 0)),
        tiers=reader.tiers(),
        minimum_share=reader.decimal("minimum_share", body.get("minimum_share", 0)),
        maximum_share=reader.decimal("maximum_share", body.get("maximum_share"), default=100),
        valid_from=reader.month("first_month", first_month),
        valid_to=reader.month_after("last_month"),
    )
    reader.finish()
    return rule


def rule_json(rule: Rule) -> dict[str, Any]:
    """Return the JSON object that `read_rule` reads back, with the version."""
    return {
        "code": rule.code,
        "version": rule.version,
        "name": rule.name,
        "axis": rule.axis.value,
        "method": rule.method.value,
        "scope": scope_json(rule.scope),
        "receivers": receivers_json(rule.receivers),
        "level": rule.level,
        "priority": rule.priority,
        "driver": rule.driver,
        "zero_policy": rule.zero_policy.value,
        "final_only": rule.final_only,
        "percent": f"{rule.percent:f}",
        "tiers": tiers_json(rule.tiers),
        "minimum_share": f"{rule.minimum_share:f}",
        "maximum_share": f"{rule.maximum_share:f}",
        "first_month": str(Month.of(rule.valid_from)) if rule.valid_from else None,
        "last_month": str(Month.of(rule.valid_to) - 1) if rule.valid_to else None,
    }


def scope_json(scope: Scope) -> dict[str, Any]:
    """Return a scope as JSON."""
    found: dict[str, Any] = {name: list(values) for name, values in sorted(scope.facts.items())}
    if scope.owners:
        found["owners"] = sorted(scope.owners)
    if scope.tags:
        found["tags"] = {key: list(values) for key, values in sorted(scope.tags.items())}
    return found


def receivers_json(receivers: Receivers) -> Any:
    """Return receivers as JSON: `*`, a list of codes, or an object of percentages."""
    if receivers.everyone:
        return EVERYONE
    if receivers.percents:
        return {code: f"{part:f}" for code, part in sorted(receivers.percents.items())}
    return sorted(receivers.codes)


def tiers_json(tiers: Iterable[Tier]) -> list[dict[str, Any]]:
    """Return tiers as JSON, the last with `up_to` null."""
    return [
        {
            "up_to": None if tier.up_to is None else f"{tier.up_to:f}",
            "weight": f"{tier.weight:f}",
        }
        for tier in tiers
    ]


class _Reader:
    """Reads one field after the other and remembers what was wrong."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._errors = [
            FieldError(str(name)[:64], "unknown_field", f"A rule has no field {str(name)[:64]!r}.")
            for name in body
            if name not in _FIELDS
        ]

    def finish(self) -> None:
        """Pass when nothing was wrong.

        :raises RuleRefused: when something was.
        """
        if self._errors:
            raise RuleRefused(self._errors[0].message, errors=tuple(self._errors))

    def wrong(self, field: str, code: str, message: str) -> None:
        """Remember one wrong field."""
        self._errors.append(FieldError(field, code, message))

    def code(self) -> str:
        """Read the code, the stable name of the rule."""
        code = self.text("code", limit=64)
        if not code:
            self.wrong("code", "required", "Give the rule a short code, as shared-gateway.")
        elif not set(code) <= _CODE_LETTERS:
            self.wrong("code", "code", "Use small letters, digits, dashes, dots and underscores.")
        return code

    def text(self, field: str, *, limit: int) -> str:
        """Read a text of at most `limit` characters."""
        value = self._body.get(field) or ""
        if not isinstance(value, str) or len(value) > limit or "\x00" in value:
            self.wrong(field, "text", f"Give a text of at most {limit} characters.")
            return ""
        return value.strip()

    def word(self, field: str, kind: type[Word], default: Word) -> Word:
        """Read one of the listed words."""
        value = self._body.get(field) or default.value
        try:
            return kind(value)
        except ValueError:
            self.wrong(field, "choice", f"Choose one of {', '.join(item.value for item in kind)}.")
            return default

    def number(self, field: str, default: int, *, most: int) -> int:
        """Read a whole number from 1 to `most`."""
        value = self._body.get(field)
        if value in (None, ""):
            return default
        if isinstance(value, bool) or not str(value).isascii() or not str(value).isdigit():
            self.wrong(field, "number", f"Give a whole number from 1 to {most}.")
            return default
        if len(str(value)) > 6 or not 1 <= int(value) <= most:
            self.wrong(field, "number", f"Give a whole number from 1 to {most}.")
            return default
        return int(value)

    def flag(self, field: str) -> bool:
        """Read true or false."""
        value = self._body.get(field, False)
        if not isinstance(value, bool):
            self.wrong(field, "flag", "Give true or false.")
        return value is True

    def decimal(self, field: str, value: Any, *, default: int = 0) -> Decimal:
        """Read a plain decimal with at most 6 decimals; JSON floats are refused."""
        text = str(value if value not in (None, "") else default)
        try:
            if isinstance(value, float | bool) or len(text) > 20:
                raise InvalidOperation
            number = Decimal(text)
            if not number.is_finite() or number != number.quantize(Decimal("1e-6")):
                raise InvalidOperation
        except InvalidOperation:
            self.wrong(
                field, "decimal", 'Give a decimal as text, as "12.5", with up to 6 decimals.'
            )
            return Decimal(0)
        return number

    def month(self, field: str, default: Month) -> date:
        """Read a month, its first day."""
        return self._month(field, default).first_day

    def month_after(self, field: str) -> date | None:
        """Read a last month, as the first day after it."""
        if self._body.get(field) in (None, ""):
            return None
        return (self._month(field, Month(2000, 1)) + 1).first_day

    def _month(self, field: str, default: Month) -> Month:
        value = self._body.get(field)
        if value in (None, ""):
            return default
        try:
            month = Month.parse(str(value)[:16])
        except Invalid as refusal:
            self.wrong(field, "month", refusal.message)
            return default
        if not 2000 <= month.year <= 2999:
            self.wrong(field, "month", "Give a month between 2000-01 and 2999-12.")
            return default
        return month

    def scope(self) -> Scope:
        """Read which cost is picked up."""
        body = self._body.get("scope") or {}
        if not isinstance(body, Mapping):
            self.wrong("scope", "object", 'Give an object, as {"service": ["Azure OpenAI"]}.')
            return Scope()
        facts: dict[str, tuple[str, ...]] = {}
        for name, value in body.items():
            if name in FACT_FIELDS:
                facts[name] = self._values(f"scope.{name}", value)
            elif name not in ("owners", "tags"):
                self.wrong(f"scope.{str(name)[:64]}", "unknown_field", _scope_fields())
        return Scope(
            owners=frozenset(self._values("scope.owners", body.get("owners", ()))),
            facts=facts,
            tags=self._tags(body.get("tags", {})),
        )

    def tiers(self) -> tuple[Tier, ...]:
        """Read the bands of a tiered rule, as [{"up_to": "100", "weight": "1"}, ...]."""
        body = self._body.get("tiers") or []
        if not isinstance(body, list) or len(body) > _MOST_TIERS:
            self.wrong("tiers", "list", f"Give a list of at most {_MOST_TIERS} tiers.")
            return ()
        return tuple(self._tier(f"tiers.{at}", one) for at, one in enumerate(body))

    def _tier(self, field: str, body: Any) -> Tier:
        if not isinstance(body, Mapping) or set(body) - {"up_to", "weight"}:
            self.wrong(field, "object", 'Give an object, as {"up_to": "100", "weight": "1"}.')
            return Tier(None, Decimal(0))
        end = body.get("up_to")
        return Tier(
            up_to=None if end in (None, "") else self.decimal(f"{field}.up_to", end),
            weight=self.decimal(f"{field}.weight", body.get("weight", 0)),
        )

    def receivers(self) -> Receivers:
        """Read who shares."""
        body = self._body.get("receivers")
        if body == EVERYONE:
            return Receivers(everyone=True)
        if isinstance(body, Mapping):
            percents = {
                str(code)[:64]: self.decimal(f"receivers.{str(code)[:64]}", part)
                for code, part in body.items()
            }
            return Receivers(percents=percents)
        return Receivers(codes=self._values("receivers", body or ()))

    def _tags(self, body: Any) -> dict[str, tuple[str, ...]]:
        if not isinstance(body, Mapping):
            self.wrong("scope.tags", "object", "Give an object of tag keys and values.")
            return {}
        return {
            str(key)[:64]: self._values(f"scope.tags.{str(key)[:64]}", value)
            for key, value in body.items()
        }

    def _values(self, field: str, value: Any) -> tuple[str, ...]:
        items: Iterable[Any] = [value] if isinstance(value, str) else value
        listed = list(items) if isinstance(items, list | tuple) else None
        if listed is None or not all(_is_text(item) for item in listed):
            self.wrong(field, "list", "Give a text or a list of texts.")
            return ()
        return tuple(sorted({item.strip() for item in listed}))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= _TEXT_LIMIT and "\x00" not in value


def _scope_fields() -> str:
    return f"A scope asks for {', '.join(('owners', *FACT_FIELDS, 'tags'))}."
