"""An estimate with everything that was seen when it was made, as it is frozen on a revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.core.domain.canonical import plain_decimal
from apps.experiments.domain.bands import Band
from apps.experiments.domain.estimate import Caution, Estimate, EstimateLine
from apps.experiments.domain.history import Distribution, Percentiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What a request would cost as its price book version had it, and what to look at.

    `amount` is what is asked for, None while nobody can say.
    """

    estimate: Estimate
    amount: Decimal | None
    history: tuple[Distribution, ...]
    price_book_version: int
    priced_at: datetime

    @property
    def currency(self) -> str:
        """Return the tenant's currency."""
        return self.estimate.currency

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """Return what to look at, the grave things first."""
        rank = {"bad": 0, "warn": 1, "info": 2}
        return tuple(sorted(self.estimate.cautions, key=lambda each: rank[each.severity]))

    def with_cautions(self, *more: Caution) -> Assessment:
        """Return the same with more to look at."""
        cautions = (*self.estimate.cautions, *more)
        return replace(self, estimate=replace(self.estimate, cautions=cautions))


def assessment_payload(found: Assessment) -> dict[str, Any]:
    """Return an assessment as plain JSON."""
    estimate = found.estimate
    return {
        "currency": estimate.currency,
        "amount": _text(found.amount),
        "band": _band_payload(estimate.band),
        "tokens": _band_payload(estimate.tokens),
        "lines": [_line_payload(line) for line in estimate.lines],
        "cautions": [
            {"code": each.code, "severity": each.severity, "message": each.message}
            for each in estimate.cautions
        ],
        "history": [_history_payload(each) for each in found.history],
        "price_book_version": found.price_book_version,
        "priced_at": found.priced_at.isoformat(),
    }


def read_assessment(payload: Mapping[str, Any]) -> Assessment:
    """Return an assessment that was kept."""
    return Assessment(
        estimate=Estimate(
            payload["currency"],
            _read_band(payload["band"]),
            tuple(_read_line(line) for line in payload["lines"]),
            tuple(Caution(**each) for each in payload["cautions"]),
        ),
        amount=_number(payload["amount"]),
        history=tuple(_read_history(each) for each in payload["history"]),
        price_book_version=payload["price_book_version"],
        priced_at=datetime.fromisoformat(payload["priced_at"]),
    )


def _line_payload(line: EstimateLine) -> dict[str, Any]:
    return {
        "model": line.model,
        "meter": line.meter,
        "quantity": _band_payload(line.quantity),
        "amount": _band_payload(line.amount),
        "price": _text(line.price),
        "unit_size": line.unit_size,
        "price_currency": line.price_currency,
        "price_source": line.price_source,
        "price_since": line.price_since and line.price_since.isoformat(),
    }


def _read_line(payload: Mapping[str, Any]) -> EstimateLine:
    since = payload["price_since"]
    quantity = _read_band(payload["quantity"])
    assert quantity is not None
    return EstimateLine(
        **{
            **payload,
            "quantity": quantity,
            "amount": _read_band(payload["amount"]),
            "price": _number(payload["price"]),
            "price_since": datetime.fromisoformat(since) if since else None,
        }
    )


def _history_payload(past: Distribution) -> dict[str, Any]:
    return {
        "model": past.model,
        "requests": past.requests,
        "input_tokens": _percentiles_payload(past.input_tokens),
        "output_tokens": _percentiles_payload(past.output_tokens),
        "cached_share": plain_decimal(past.cached_share),
        "cost": past.cost and _percentiles_payload(past.cost),
    }


def _read_history(payload: Mapping[str, Any]) -> Distribution:
    return Distribution(
        payload["model"],
        payload["requests"],
        _read_percentiles(payload["input_tokens"]),
        _read_percentiles(payload["output_tokens"]),
        Decimal(payload["cached_share"]),
        _read_percentiles(payload["cost"]) if payload["cost"] else None,
    )


def _percentiles_payload(found: Percentiles) -> dict[str, str]:
    return {name: plain_decimal(getattr(found, name)) for name in ("p10", "p50", "p90", "p99")}


def _read_percentiles(payload: Mapping[str, str]) -> Percentiles:
    return Percentiles(**{name: Decimal(text) for name, text in payload.items()})


def _band_payload(band: Band | None) -> dict[str, str] | None:
    if band is None:
        return None
    return {name: plain_decimal(getattr(band, name)) for name in ("low", "likely", "high")}


def _read_band(payload: Mapping[str, str] | None) -> Band | None:
    if payload is None:
        return None
    return Band(**{name: Decimal(text) for name, text in payload.items()})


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
