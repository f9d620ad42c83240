"""The book of a version with supposed prices and models in it; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.core.domain.errors import FieldError, Invalid
from apps.rating.domain import contracts
from apps.rating.domain.altered import WHAT_IF, AlteredBook
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.mapping import Name
from apps.rating.domain.prices import FOREVER, PriceRow, SkuKey
from apps.rating.domain.terms import Scope
from apps.rating.selectors.book import StoredPrices, current_version, version_facts
from apps.rating.selectors.peers import canonical_draft, canonical_scope


class WhatIfNotValid(Invalid):
    """A supposed price or model is wrong; each is named."""

    default_code = "what_if_not_valid"


@dataclass(frozen=True, slots=True)
class Substitution:
    """Take one model for another: (provider, model) by any of their names."""

    used: Name
    instead: Name


def altered_book(
    *,
    version: int | None,
    prices: Sequence[ContractDraft],
    substitutions: Sequence[Substitution],
) -> AlteredBook:
    """Return the book of a version (None: in force) with supposed prices and models in it.

    It is not kept. About six queries.

    :raises WhatIfNotValid: when a price has wrong fields, a model is taken for two others, or no
        price names the model that takes its place.
    """
    facts = current_version() if version is None else version_facts(version)
    _refuse(_price_faults(prices))
    book = AlteredBook(
        version=facts.version,
        source=StoredPrices(facts),
        prices=[_row(canonical_draft(draft)) for draft in prices],
        models=_models(substitutions),
    )
    _refuse(_unknown(book, substitutions))
    return book


def _refuse(faults: Sequence[FieldError]) -> None:
    if faults:
        raise WhatIfNotValid(faults[0].message, errors=tuple(faults))


def _price_faults(prices: Sequence[ContractDraft]) -> list[FieldError]:
    return [
        FieldError(f"prices.{index}.{fault.field}", fault.code, fault.message)
        for index, draft in enumerate(prices)
        for fault in contracts.faults(draft)
    ]


def _models(substitutions: Sequence[Substitution]) -> dict[Name, Name]:
    found: dict[Name, Name] = {}
    for index, each in enumerate(substitutions):
        used = _canonical(each.used)
        if used in found:
            text = f"{' '.join(used).strip()} is replaced twice; keep one of them."
            _refuse([FieldError(f"substitutions.{index}.from", "repeated", text)])
        found[used] = _canonical(each.instead)
    return found


def _unknown(book: AlteredBook, substitutions: Sequence[Substitution]) -> list[FieldError]:
    return [
        FieldError(
            f"substitutions.{index}.to",
            "unknown",
            f"No price names {' '.join(each.instead).strip()}; choose a model that has prices, or "
            "suppose some for it.",
        )
        for index, each in enumerate(substitutions)
        if not book.knows(SkuKey(*_canonical(each.instead)))
    ]


def _canonical(name: Name) -> Name:
    scope = canonical_scope(Scope(provider=name[0], model=name[1]))
    return scope.provider, scope.model


def _row(draft: ContractDraft) -> PriceRow:
    return PriceRow(
        kind="contract",
        provider=draft.provider,
        model=draft.model,
        meter=draft.meter,
        conditions=draft.conditions,
        amount=draft.amount,
        unit_size=draft.unit_size,
        currency=draft.currency,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to or FOREVER,
        source=WHAT_IF,
    )
