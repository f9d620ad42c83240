"""Reads LiteLLM's price file, which the operator supplies; nothing here asks a network."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from apps.catalog.domain.conditions import Conditions, other_conditions
from apps.catalog.domain.litellm_keys import Meaning, PriceKey, is_price, read_key
from apps.catalog.domain.published import Rate
from apps.catalog.domain.statements import (
    LITELLM,
    NotTaken,
    Reading,
    StatedPrice,
    Subject,
    cleaned,
)
from apps.catalog.domain.windows import EVERY_DAY, Span, WindowInvalid, hours_of, window_of
from apps.core.domain.errors import Invalid

MOST_BYTES: Final = 32 * 1024 * 1024
_DAY: Final = 86_400
_NOT_ENTRIES: Final = frozenset({"sample_spec"})
_ROOTS: Final = ("vertex_ai", "fireworks_ai")
_SAME_AS: Final = {
    "azure_text": "azure",
    "bedrock_converse": "bedrock",
    "cohere_chat": "cohere",
    "text-completion-openai": "openai",
    "text-completion-codestral": "codestral",
}
_AWS_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d", re.ASCII)
_AZURE_ZONES: Final = {
    "eu": "eu",
    "us": "us",
    "apac": "apac",
    "us-gov": "us-gov",
    "global": "global",
    "global-standard": "global",
}
_DRAWN: Final = {
    re.compile(r"\d+-x-\d+|max-x-max", re.ASCII): "size",
    re.compile(r"\d+-steps|max-steps", re.ASCII): "steps",
    re.compile(r"low|medium|high|standard|hd|auto", re.ASCII): "quality",
}
_MODEL_LENGTH: Final = 200
_SEARCHES: Final = Meaning("web_searches", 1000)
_YEARS: Final = range(2022, 2041)


class FileInvalid(Invalid):
    """The file is no price file of LiteLLM."""

    default_code = "price_file_invalid"


def read_litellm(content: bytes, *, name: str = "") -> Reading:
    """Return everything that the file says; what is not understood is told, never guessed.

    :raises FileInvalid: when the file is too large, no JSON, or no object of models.
    """
    digest = hashlib.sha256(content).hexdigest()
    prices: list[StatedPrice] = []
    left: list[NotTaken] = []
    for entry, facts in _entries(content).items():
        if entry in _NOT_ENTRIES:
            continue
        if not isinstance(facts, dict) or not isinstance(facts.get("litellm_provider"), str):
            left.append(NotTaken(str(entry)[:300], "", "", "the entry names no litellm_provider"))
            continue
        reader = _Entry(entry, facts)
        prices += reader.prices()
        left += reader.left
    return Reading(LITELLM, digest[:12], digest, tuple(prices), tuple(left), name[:200])


def _entries(content: bytes) -> Mapping[str, Any]:
    if len(content) > MOST_BYTES:
        raise FileInvalid("The file is larger than 32 MiB; LiteLLM's price file has about three.")
    try:
        found = json.loads(content, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as wrong:
        raise FileInvalid(
            "The file is no JSON; supply LiteLLM's model_prices_and_context_window.json."
        ) from wrong
    if not isinstance(found, dict):
        raise FileInvalid("The file holds no object of models by name.")
    return found


def _refuse_constant(text: str) -> Decimal:
    raise ValueError(f"{text} is no number")


@dataclass(slots=True)
class _Entry:
    """One entry of the file: a model of a provider, perhaps in a region."""

    entry: str
    facts: Mapping[str, Any]
    left: list[NotTaken] = field(default_factory=list)

    def prices(self) -> list[StatedPrice]:
        """Return all prices of the entry, each once."""
        provider, model, place = _named(self.entry, self.facts["litellm_provider"])
        if not model or len(model) > _MODEL_LENGTH or len(provider) > 64:
            self._leave("", self.entry, "the name is empty or too long")
            return []
        found: dict[tuple[str, Conditions], Rate] = {}
        for key, rate in self._rates():
            conditions = _placed(key[1], place)
            found.setdefault((key[0], conditions), rate)
        return [
            StatedPrice(Subject(provider, model, *key), rate, stated_as=self.entry[:300])
            for key, rate in found.items()
        ]

    def _rates(self) -> Iterator[tuple[tuple[str, Conditions], Rate]]:
        flat = list(self._flat(self.facts, Conditions(), top=True))
        flat += self._tiered()
        flat += self._off_peak()
        yield from flat
        for region, factor in self._uplifts():
            for (meter, conditions), rate in flat:
                if meter.endswith("_tokens"):
                    raised = conditions._replace(region=region)
                    yield (meter, raised), rate._replace(amount=(rate.amount * factor).normalize())

    def _flat(
        self, facts: Mapping[str, Any], where: Conditions, *, top: bool
    ) -> Iterator[tuple[tuple[str, Conditions], Rate]]:
        mode = str(self.facts.get("mode", ""))
        for key, value in facts.items():
            if key in _BLOCKS or key.startswith(_UPLIFT) or not is_price(key):
                continue
            if key == "search_context_cost_per_query":
                yield from self._searches(value)
                continue
            parts = read_key(key, mode=mode)
            if parts is None:
                if top or key not in _RANGES:
                    self._leave(key, value, "the key is not known")
                continue
            rate = self._rate(key, parts, value)
            if rate is not None:
                yield (parts.meaning.meter, _within(parts.conditions, where)), rate

    def _tiered(self) -> Iterator[tuple[tuple[str, Conditions], Rate]]:
        for tier in self._list("tiered_pricing"):
            bounds = tier.get("range") or tier.get("max_results_range")
            if not isinstance(bounds, list) or len(bounds) != 2 or not all(map(_whole, bounds)):
                self._leave("tiered_pricing", tier, "the tier has no range of whole numbers")
                continue
            low, high = (int(bound) for bound in bounds)
            if "range" in tier:
                where = Conditions(context_gt=low)
            else:
                where = Conditions(other=f"max_results={low}-{high}")
            yield from self._flat(tier, where, top=False)

    def _off_peak(self) -> Iterator[tuple[tuple[str, Conditions], Rate]]:
        block = self.facts.get("off_peak_pricing")
        if block is None:
            return
        try:
            window = _window(block)
        except (WindowInvalid, ValueError, TypeError, KeyError, AttributeError):
            self._leave("off_peak_pricing", block, "its hours cannot be read exactly")
            return
        yield from self._flat(block, Conditions(window=window), top=False)

    def _searches(self, value: object) -> Iterator[tuple[tuple[str, Conditions], Rate]]:
        key = "search_context_cost_per_query"
        if not isinstance(value, dict):
            self._leave(key, value, "the key is not known")
            return
        rates: dict[str, Rate] = {}
        for name, stated in value.items():
            rate = self._rate(key, PriceKey(_SEARCHES, Conditions()), stated)
            if rate is not None:
                rates[str(name).removeprefix("search_context_size_")] = rate
        if len(set(rates.values())) == 1:
            yield (_SEARCHES.meter, Conditions()), next(iter(rates.values()))
            return
        for size, rate in rates.items():
            yield (_SEARCHES.meter, Conditions(other=f"search_context_size={size}"[:200])), rate

    def _uplifts(self) -> Iterator[tuple[str, Decimal]]:
        for key, value in self.facts.items():
            if not key.startswith(_UPLIFT):
                continue
            factor = _factor(value)
            if factor is None:
                self._leave(key, value, "it is no number between 0 and 100")
            else:
                yield key.removeprefix(_UPLIFT)[:64], cleaned(factor)
        special = self.facts.get("provider_specific_entry")
        for key, value in special.items() if isinstance(special, dict) else ():
            factor = _factor(value)
            if key == "us" and factor is not None:
                yield key, cleaned(factor)
            else:
                self._leave(f"provider_specific_entry.{key}", value, "the key is not known")

    def _list(self, key: str) -> list[Mapping[str, Any]]:
        found = self.facts.get(key, [])
        good = isinstance(found, list) and all(isinstance(one, dict) for one in found)
        if not good:
            self._leave(key, found, "it is no list of tiers")
        return found if good else []

    def _rate(self, key: str, parts: PriceKey, value: object) -> Rate | None:
        stated = _number(value)
        if stated is None:
            self._leave(key, value, "it is no number")
            return None
        try:
            return parts.rate(stated)
        except ValueError as wrong:
            self._leave(key, value, str(wrong))
            return None

    def _leave(self, key: str, value: object, why: str) -> None:
        text = value if isinstance(value, str) else json.dumps(value, default=_plainly)
        if isinstance(value, Decimal):
            text = _plainly(value)
        self.left.append(NotTaken(self.entry[:300], key[:200], text[:500], why))


_RANGES: Final = frozenset(
    {"range", "max_results_range", "windows", "hours_utc", "weekday_timezone"}
)
_UPLIFT: Final = "regional_processing_uplift_multiplier_"
_BLOCKS: Final = frozenset({"tiered_pricing", "off_peak_pricing", "provider_specific_entry"})


def _plainly(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**12 else None


def _factor(value: object) -> Decimal | None:
    number = _number(value)
    return number if number is not None and 0 < number < 100 else None


def _whole(value: object) -> bool:
    number = _number(value)
    return number is not None and 0 <= number < 10**12 and number == int(number)


def _named(entry: str, provider: str) -> tuple[str, str, Conditions]:
    """Return provider, model and the conditions that the entry's own name holds."""
    name = provider.strip()
    root = next((one for one in _ROOTS if name.startswith(one)), _SAME_AS.get(name, name))
    parts = entry.strip().split("/")
    drawn = _drawn(parts)
    if len(parts) > 1 and parts[0] in {name, root}:
        parts.pop(0)
    drawn |= _drawn(parts)
    region = ""
    if len(parts) > 1 and (
        (root == "azure" and parts[0] in _AZURE_ZONES)
        or (root == "bedrock" and _AWS_REGION.fullmatch(parts[0]))
    ):
        region = _AZURE_ZONES.get(parts[0], parts[0])
        parts.pop(0)
    other = other_conditions(drawn)
    return root, "/".join(parts), Conditions(region=region, other=other)


def _drawn(parts: list[str]) -> dict[str, str]:
    """Take what an image is drawn like off the front of a name: its size, steps and quality."""
    found: dict[str, str] = {}
    while len(parts) > 1:
        kind = next((kind for form, kind in _DRAWN.items() if form.fullmatch(parts[0])), None)
        if kind is None:
            break
        found[kind] = parts.pop(0)
    return found


def _placed(conditions: Conditions, place: Conditions) -> Conditions:
    other = "&".join(part for part in (place.other, conditions.other) if part)
    return conditions._replace(region=conditions.region or place.region, other=other[:200])


def _within(conditions: Conditions, where: Conditions) -> Conditions:
    return conditions._replace(
        context_gt=max(conditions.context_gt, where.context_gt),
        window=where.window,
        other=where.other or conditions.other,
    )


def _window(block: Mapping[str, Any]) -> str:
    """Return the off-peak hours: UTC hours, on weekdays of a zone's own calendar.

    The weekday is that of the moment, so hours are cut at the zone's midnight. That is exact for
    a zone without clock changes only; another is refused.
    """
    zone = block.get("weekday_timezone") or "UTC"
    rules = [(EVERY_DAY, _texts(block["hours_utc"]))] if "hours_utc" in block else []
    for rule in block.get("windows", ()):
        days = rule.get("weekdays")
        chosen = EVERY_DAY if days is None else frozenset(_weekday(day) for day in days)
        rules.append((chosen, _texts(rule["hours_utc"])))
    if not rules:
        raise ValueError("off-peak prices without hours")
    if all(days == EVERY_DAY for days, _ in rules):
        return window_of([(days, [_hours(text) for text in texts]) for days, texts in rules])
    shift = _offset(zone)
    local = [
        (days, [piece for text in texts for piece in _cut(_hours(text), shift)])
        for days, texts in rules
    ]
    return window_of(local, zone)


def _texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in value]  # type: ignore[attr-defined]


def _hours(text: str) -> Span:
    opens, closes = hours_of(text)
    return (0, _DAY) if opens == closes else (opens, closes)


def _cut(span: Span, shift: int) -> list[Span]:
    """Move hours by a zone's offset and cut them at its midnight, in seconds of its day."""
    opens, closes = span
    length = (closes - opens) % _DAY or _DAY
    if length == _DAY:
        return [(0, _DAY)]
    start = (opens + shift) % _DAY
    end = start + length
    return [(start, end % _DAY)] if end <= _DAY else [(start, 0), (0, end - _DAY)]


def _weekday(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 7:
        return value - 1
    raise ValueError(f"{value!r} is no ISO weekday")


def _offset(zone: str) -> int:
    """Return a zone's offset in seconds.

    :raises ValueError: when its clock changes within the years in question.
    """
    clock = UTC if zone == "UTC" else ZoneInfo(zone)
    moments = (datetime(year, month, 1, tzinfo=UTC) for year in _YEARS for month in (1, 4, 7, 10))
    offsets = {moment.astimezone(clock).utcoffset() or timedelta(0) for moment in moments}
    if len(offsets) != 1:
        raise ValueError(f"the clock of {zone} changes")
    return int(offsets.pop().total_seconds())
