"""A realistic small organization: two months of lines, three cost centers, one shared pool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.chargeback.domain.facts import (
    UNALLOCATED,
    ChargeLine,
    Earlier,
    Issuer,
    Kind,
    PeriodDates,
    PriceFacts,
    Recipient,
    RunStamp,
    Terms,
    Usage,
)
from apps.chargeback.domain.period import period_figures
from apps.chargeback.domain.rounding import exact_sum
from apps.chargeback.domain.statement import Frame, build
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM
from apps.core.domain.months import Month

SEPTEMBER, OCTOBER = Month(2026, 9), Month(2026, 10)
RUN = UUID("5f0f6b0e-6f0a-4f1d-9a53-3d6f0f2d8c11")

ISSUER = Issuer(
    name="Acme Corporation",
    slug="acme",
    locale="en-US",
    timezone="America/New_York",
    brand_color="#1f4e79",
)
TERMS = Terms(dispute_contact="finops@acme.example", dispute_days=10)

SEARCH = Recipient(
    code="CC-4100",
    name="Search & Discovery",
    owner_name="Dana Whitfield",
    owner_email="dana.whitfield@acme.example",
    gl_code="640210",
    parent="Product",
)
ASSISTANT = Recipient(
    code="CC-4200",
    name="Customer Assistant",
    owner_name="Ravi Menon",
    owner_email="ravi.menon@acme.example",
    gl_code="640220",
    parent="Product",
)
NOBODY = Recipient(code=UNALLOCATED, name="Unallocated", owner_name="Finance", gl_code="640999")
RECIPIENTS = (SEARCH, ASSISTANT, NOBODY)

_TOKEN_PRICES = {
    ("openai", "gpt-4o", "input_tokens"): "2.50",
    ("openai", "gpt-4o", "cached_input_tokens"): "1.25",
    ("openai", "gpt-4o", "output_tokens"): "10.00",
    ("openai", "gpt-4o-mini", "input_tokens"): "0.15",
    ("openai", "gpt-4o-mini", "output_tokens"): "0.60",
    ("anthropic", "claude-sonnet-4-5", "input_tokens"): "3.00",
    ("anthropic", "claude-sonnet-4-5", "cached_input_tokens"): "0.30",
    ("anthropic", "claude-sonnet-4-5", "cache_write_5m_tokens"): "3.75",
    ("anthropic", "claude-sonnet-4-5", "output_tokens"): "15.00",
    ("google", "gemini-2.5-pro", "input_tokens"): "1.25",
    ("google", "gemini-2.5-pro", "output_tokens"): "10.00",
    ("openai", "text-embedding-3-large", "input_tokens"): "0.13",
}

_OCTOBER_USE = [
    # team, product, feature, customer, experiment, provider, model, meter, millions of tokens
    (
        "search",
        "search",
        "answers",
        "globex",
        "",
        "openai",
        "gpt-4o",
        "input_tokens",
        "1204.118203",
    ),
    (
        "search",
        "search",
        "answers",
        "globex",
        "",
        "openai",
        "gpt-4o",
        "cached_input_tokens",
        "611.024",
    ),
    (
        "search",
        "search",
        "answers",
        "globex",
        "",
        "openai",
        "gpt-4o",
        "output_tokens",
        "182.330411",
    ),
    ("search", "search", "answers", "initech", "", "openai", "gpt-4o", "input_tokens", "402.8811"),
    ("search", "search", "answers", "initech", "", "openai", "gpt-4o", "output_tokens", "61.20033"),
    ("search", "search", "rerank", "", "", "openai", "gpt-4o-mini", "input_tokens", "3820.117"),
    ("search", "search", "rerank", "", "", "openai", "gpt-4o-mini", "output_tokens", "401.77"),
    (
        "search",
        "search",
        "index",
        "",
        "",
        "openai",
        "text-embedding-3-large",
        "input_tokens",
        "8210.4",
    ),
    (
        "search",
        "search",
        "answers",
        "",
        "exp-long-context",
        "anthropic",
        "claude-sonnet-4-5",
        "input_tokens",
        "911.404",
    ),
    (
        "search",
        "search",
        "answers",
        "",
        "exp-long-context",
        "anthropic",
        "claude-sonnet-4-5",
        "cached_input_tokens",
        "120.55",
    ),
    (
        "search",
        "search",
        "answers",
        "",
        "exp-long-context",
        "anthropic",
        "claude-sonnet-4-5",
        "cache_write_5m_tokens",
        "44.871",
    ),
    (
        "search",
        "search",
        "answers",
        "",
        "exp-long-context",
        "anthropic",
        "claude-sonnet-4-5",
        "output_tokens",
        "96.118",
    ),
    (
        "search",
        "search",
        "answers",
        "",
        "exp-judge",
        "google",
        "gemini-2.5-pro",
        "input_tokens",
        "210.02",
    ),
    (
        "search",
        "search",
        "answers",
        "",
        "exp-judge",
        "google",
        "gemini-2.5-pro",
        "output_tokens",
        "18.4",
    ),
    ("assistant", "assistant", "chat", "globex", "", "openai", "gpt-4o", "input_tokens", "2911.7"),
    ("assistant", "assistant", "chat", "globex", "", "openai", "gpt-4o", "output_tokens", "511.09"),
    ("", "", "", "", "", "openai", "gpt-4o", "input_tokens", "96.55"),
    ("", "", "", "", "", "openai", "gpt-4o", "output_tokens", "14.2"),
]

_SEPTEMBER_USE = [
    ("search", "search", "answers", "globex", "", "openai", "gpt-4o", "input_tokens", "1101.5"),
    (
        "search",
        "search",
        "answers",
        "globex",
        "",
        "openai",
        "gpt-4o",
        "cached_input_tokens",
        "420.2",
    ),
    ("search", "search", "answers", "globex", "", "openai", "gpt-4o", "output_tokens", "170.1"),
    ("search", "search", "answers", "initech", "", "openai", "gpt-4o", "input_tokens", "388.01"),
    ("search", "search", "answers", "initech", "", "openai", "gpt-4o", "output_tokens", "58.7"),
    ("search", "search", "rerank", "", "", "openai", "gpt-4o-mini", "input_tokens", "3655.3"),
    ("search", "search", "rerank", "", "", "openai", "gpt-4o-mini", "output_tokens", "388.0"),
    (
        "search",
        "search",
        "index",
        "",
        "",
        "openai",
        "text-embedding-3-large",
        "input_tokens",
        "7990.0",
    ),
    ("assistant", "assistant", "chat", "globex", "", "openai", "gpt-4o", "input_tokens", "2702.0"),
    ("assistant", "assistant", "chat", "globex", "", "openai", "gpt-4o", "output_tokens", "498.5"),
    ("", "", "", "", "", "openai", "gpt-4o", "input_tokens", "30.0"),
]

_SHARES = {"search": Decimal("5512"), "assistant": Decimal("3488")}
_CENTERS = {"search": "CC-4100", "assistant": "CC-4200", "": UNALLOCATED}


def price_of(provider: str, model: str, meter: str) -> PriceFacts:
    return PriceFacts(
        amount=Decimal(_TOKEN_PRICES[provider, model, meter]),
        unit_size=1_000_000,
        currency="USD",
        source="contract OA-2026-02" if model == "gpt-4o" else "genai-prices 0.0.34",
        valid_from=datetime(2026, 2, 1, tzinfo=UTC)
        if model == "gpt-4o"
        else datetime(2025, 10, 1, tzinfo=UTC),
    )


def _used(index: int, row: tuple[str, ...]) -> ChargeLine:
    team, product, feature, customer, experiment, provider, model, meter, millions = row
    price = price_of(provider, model, meter)
    cost = (Decimal(millions) * price.amount).quantize(PUBLISHED_QUANTUM)
    tags = {
        "team": team,
        "product": product,
        "feature": feature,
        "customer": customer,
        "experiment": experiment,
        "environment": "production" if not experiment else "research",
        "account": "proj_core" if team else "proj_legacy",
        "credential": "key_7f21",
    }
    return ChargeLine(
        source=f"usage:{index:04d}",
        receiver=team,
        cost_center=_CENTERS[team],
        kind=Kind.DIRECT if team else Kind.UNALLOCATED,
        effective=cost,
        billed=cost,
        rule="direct" if team else "",
        provider=provider,
        model=model,
        meter=meter,
        quantity=Decimal(millions) * 1_000_000,
        unit="token",
        price=price,
        tags={key: value for key, value in tags.items() if value},
    )


def _shared(source: str, service: str, rule: str, pool: str, driver: str) -> Iterable[ChargeLine]:
    whole = sum(_SHARES.values())
    left = Decimal(pool)
    for position, (team, value) in enumerate(_SHARES.items()):
        part = (Decimal(pool) * value / whole).quantize(PUBLISHED_QUANTUM)
        part = left if position == len(_SHARES) - 1 else part
        left -= part
        yield ChargeLine(
            source=source,
            receiver=team,
            cost_center=_CENTERS[team],
            kind=Kind.SHARED,
            effective=part,
            billed=part,
            rule=rule,
            method="proportional",
            driver=driver,
            driver_value=value,
            driver_total=whole,
            provider="aws",
            service=service,
        )


def october_lines() -> list[ChargeLine]:
    lines = [_used(index, row) for index, row in enumerate(_OCTOBER_USE)]
    lines += _shared("bill:0001", "Amazon EKS", "AI gateway", "2210.404117", "requests")
    lines += _shared("bill:0002", "Amazon OpenSearch", "Vector store", "1190.20", "requests")
    late = _used(
        900,
        ("search", "search", "answers", "globex", "", "openai", "gpt-4o", "output_tokens", "2.418"),
    )
    lines.append(replace(late, source="usage:late", original_month=SEPTEMBER))
    credit = _used(
        901, ("search", "search", "rerank", "", "", "openai", "gpt-4o-mini", "input_tokens", "31.2")
    )
    lines.append(
        replace(
            credit,
            source="usage:void",
            original_month=SEPTEMBER,
            quantity=-credit.quantity,
            effective=-credit.effective,
            billed=-credit.billed,
        )
    )
    return lines


def september_lines() -> list[ChargeLine]:
    lines = [_used(index, row) for index, row in enumerate(_SEPTEMBER_USE)]
    return [*lines, *_shared("bill:0001", "Amazon EKS", "AI gateway", "2102.00", "requests")]


def customers_of(lines: Iterable[ChargeLine]) -> dict[str, dict[str, Fraction]]:
    return {
        line.source: {line.tags["customer"]: Fraction(1)}
        for line in lines
        if line.tags.get("customer")
    }


def frame_of(
    lines: list[ChargeLine],
    *,
    month: Month = OCTOBER,
    currency: str = "USD",
    recipients: tuple[Recipient, ...] = RECIPIENTS,
    issuer: Issuer = ISSUER,
) -> Frame:
    starts_at, ends_at = month.bounds(ZoneInfo(issuer.timezone))
    return Frame(
        issuer=issuer,
        dates=PeriodDates(month=month, starts_at=starts_at, ends_at=ends_at),
        run=RunStamp(id=RUN, input_hash="a1" * 32, output_hash="b2" * 32),
        terms=TERMS,
        figures=period_figures(
            lines=lines,
            cost_centers=[recipient.code for recipient in recipients],
            base_effective=exact_sum(line.effective for line in lines),
            base_billed=exact_sum(line.billed for line in lines),
            currency=currency,
        ),
    )


def payload_of(
    recipient: Recipient,
    lines: list[ChargeLine],
    *,
    earlier: Earlier | None = None,
    requests: str | None = None,
    **framing: Any,
) -> dict[str, Any]:
    return build(
        frame=frame_of(lines, **framing),
        recipient=recipient,
        lines=[line for line in lines if line.cost_center == recipient.code],
        usage=Usage(
            requests=Decimal(requests) if requests else None, customers=customers_of(lines)
        ),
        earlier=earlier or Earlier(),
    )


def october(recipient: Recipient = SEARCH, **framing: Any) -> dict[str, Any]:
    """The statement that the pictures are taken of: eight months of history, a surge."""
    before = payload_of(recipient, september_lines(), month=SEPTEMBER, **framing)
    history = [
        (
            Month(2026, month),
            EXACT.multiply(Decimal(before["total"]), Decimal(factor)).quantize(Decimal("0.01")),
        )
        for month, factor in (
            (2, "0.52"),
            (3, "0.58"),
            (4, "0.66"),
            (5, "0.71"),
            (6, "0.83"),
            (7, "0.80"),
            (8, "0.94"),
        )
    ]
    totals = (*history, (SEPTEMBER, Decimal(before["total"])))
    earlier = Earlier(payload=before, number="STM-2026-09-0001", totals=totals)
    return payload_of(recipient, october_lines(), earlier=earlier, requests="4811203", **framing)
