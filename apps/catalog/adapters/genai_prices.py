"""Reads the installed genai-prices package; nothing else in the platform imports it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from apps.catalog.domain.aliases import Rule
from apps.catalog.domain.conditions import Conditions, other_conditions
from apps.catalog.domain.published import (
    PublishedCatalog,
    PublishedModel,
    PublishedPrice,
    PublishedProvider,
    Rate,
    RateCard,
    RateKey,
    timeline,
)

_METER_NAMES: Final = {
    "cache_read_tokens": "cached_input_tokens",
    "cache_audio_read_tokens": "cached_input_audio_tokens",
    "cache_image_read_tokens": "cached_input_image_tokens",
    "cache_video_read_tokens": "cached_input_video_tokens",
    "audio_seconds": "audio_hours",
    "input_audio_seconds": "input_audio_hours",
}
_SECONDS_AN_HOUR: Final = 3600
_RECOGNITION: Final[dict[str, Rule]] = {
    "azure": {"contains": "azure"},
    "fireworks": {"starts_with": "fireworks"},
    "x-ai": {"or": [{"equals": "xai"}, {"equals": "x_ai"}]},
}
"""Recognition that the package lacks: without it "azure_openai" would be taken for openai."""

_When = frozenset[tuple[str, str]]


def published_catalog() -> PublishedCatalog:
    """Return everything that the installed version publishes; reads no network and no clock."""
    from genai_prices.data_snapshot import get_snapshot

    providers = sorted(
        get_snapshot().providers, key=lambda provider: provider.id not in _RECOGNITION
    )
    return PublishedCatalog(
        source=f"genai-prices {version('genai-prices')}",
        providers=tuple(_provider(provider) for provider in providers),
    )


def _provider(raw: Any) -> PublishedProvider:
    match = _rule(raw.provider_match) if raw.provider_match else None
    return PublishedProvider(
        code=raw.id,
        name=raw.name,
        match=_RECOGNITION.get(raw.id, match),
        fallbacks=tuple(raw.fallback_model_providers or ()),
        pricing_url=(raw.pricing_urls or [""])[0],
        models=tuple(_model(model) for model in raw.models),
    )


def _model(raw: Any) -> PublishedModel:
    return PublishedModel(
        code=raw.id,
        name=raw.name or raw.id,
        match=_rule(raw.match),
        context_window=raw.context_window,
        deprecated=bool(raw.deprecated),
        prices=tuple(_prices(raw)),
    )


def _rule(clause: Any) -> Rule:
    fields = vars(clause)
    name, wanted = next(iter(fields.items()))
    if name in {"or_", "and_"}:
        return {name[:-1]: [_rule(inner) for inner in wanted]}
    return {name: wanted}


def _prices(raw: Any) -> Iterator[PublishedPrice]:
    yield from timeline(_standard_cards(raw))
    yield from _windowed(raw)
    variants: dict[_When, list[Any]] = defaultdict(list)
    for variant in raw.price_variants or ():
        variants[frozenset(variant.when.items())].append(variant)
    for when, group in variants.items():
        yield from timeline(_variant_cards(_conditions(dict(when)), group))


def _standard_cards(raw: Any) -> list[RateCard]:
    """Return the dated cards; of two that are active, the package takes the later in the list."""
    if not isinstance(raw.prices, list):
        return [RateCard(None, _rates(raw.prices, Conditions()))]
    dated = [entry for entry in raw.prices if not _is_window(entry.constraint)]
    return [
        RateCard(start, _rates(_last_active(dated, start).prices, Conditions()))
        for start in _starts(dated)
    ]


def _windowed(raw: Any) -> Iterator[PublishedPrice]:
    """Yield the daily windows; each begins with the dated card that it stands behind."""
    begins: datetime | None = None
    for entry in raw.prices if isinstance(raw.prices, list) else ():
        if not _is_window(entry.constraint):
            begins = _start(entry)
            continue
        conditions = Conditions(window=_window(entry.constraint))
        for key, rate in _rates(entry.prices, conditions).items():
            yield PublishedPrice(*key, rate, begins, None)


def _variant_cards(conditions: Conditions, group: list[Any]) -> list[RateCard]:
    """Return the dated cards of one variant; of two active ones the earlier in the list wins."""
    cards = []
    for start in _starts(group):
        rates: dict[RateKey, Rate] = {}
        for variant in group:
            begins = _start(variant)
            if begins is None or (start is not None and begins <= start):
                rates = _rates(variant.prices, conditions) | rates
        cards.append(RateCard(start, rates))
    return cards


def _starts(entries: Iterable[Any]) -> list[datetime | None]:
    starts = {_start(entry) for entry in entries}
    dated = sorted(start for start in starts if start is not None)
    return [None, *dated] if None in starts else [*dated]


def _start(entry: Any) -> datetime | None:
    first: date | None = getattr(entry.constraint, "start_date", None)
    return None if first is None else datetime.combine(first, time(), tzinfo=UTC)


def _last_active(entries: list[Any], start: datetime | None) -> Any:
    active = [
        entry
        for entry in entries
        if (begins := _start(entry)) is None or (start is not None and begins <= start)
    ]
    return active[-1]


def _is_window(constraint: Any) -> bool:
    return hasattr(constraint, "start_time")


def _window(constraint: Any) -> str:
    opens, closes = (
        moment.astimezone(UTC)
        for moment in (
            datetime.combine(date(2000, 1, 1), edge, tzinfo=edge.tzinfo or UTC)
            for edge in (constraint.start_time, constraint.end_time)
        )
    )
    return f"{opens:%H:%M}-{closes:%H:%M}"


def _conditions(when: dict[str, str]) -> Conditions:
    tier = when.pop("service_tier", "")
    if when.get("speed") == "fast" and not tier:
        tier = when.pop("speed")
    batch = when.get("processing") == "batch"
    if batch:
        del when["processing"]
    return Conditions(service_tier=tier, batch=batch, other=other_conditions(when))


def _rates(prices: Any, conditions: Conditions) -> dict[RateKey, Rate]:
    rates: dict[RateKey, Rate] = {}
    for price_key, value in vars(prices).items():
        if value is None or price_key.startswith("_"):
            continue
        meter, size = _meter(price_key)
        for context_gt, amount in _steps(value):
            key = RateKey(meter, conditions._replace(context_gt=context_gt))
            rates[key] = Rate(amount, size)
    return rates


def _steps(value: Any) -> Iterator[tuple[int, Decimal]]:
    if isinstance(value, Decimal):
        yield 0, value
        return
    yield 0, value.base
    for tier in value.tiers:
        yield tier.start, tier.price


def _meter(price_key: str) -> tuple[str, int]:
    usage_key, size = _units()[price_key]
    return _METER_NAMES.get(usage_key, usage_key), 1 if size == _SECONDS_AN_HOUR else size


@cache
def _units() -> Mapping[str, tuple[str, int]]:
    from genai_prices.data_units import unit_data

    return {
        unit.get("price_key", usage): (usage, int(unit["per"])) for usage, unit in unit_data.items()
    }
