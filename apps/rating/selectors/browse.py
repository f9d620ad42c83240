"""List and contract prices together, as people and programs browse them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson
from django.db.models import Q

from apps.catalog import selectors as catalog
from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.meters import meter_facts
from apps.catalog.domain.published import family_of
from apps.core.domain.errors import Invalid, Missing
from apps.rating.domain.prices import FOREVER
from apps.rating.domain.selection import covers
from apps.rating.models import ContractPrice
from apps.rating.selectors.book import VersionFacts, current_version

_Place = tuple[str, str, str, int, int]
"""Provider, model, meter, kind (contract before list) and id."""

_CONTRACT, _LIST = 0, 1


@dataclass(frozen=True, slots=True)
class PriceFacts:
    """A price with its unit, where it comes from, and whether the book in force knows it.

    `superseded_by` names the contract price that goes over a list price at the moment asked for.
    """

    kind: str
    id: int
    public_id: UUID | None
    provider: str
    model: str
    meter: str
    conditions: Conditions
    amount: Decimal
    unit_size: int
    unit: str
    currency: str
    valid_from: datetime | None
    valid_to: datetime | None
    known_from: datetime
    known_to: datetime | None
    source: str
    note: str
    created_by: str
    adopted: bool
    superseded_by: UUID | None = None
    replaces: UUID | None = None
    cost_model: UUID | None = None

    @property
    def place(self) -> _Place:
        """Return the price's place in the browsing order."""
        rank = _CONTRACT if self.kind == "contract" else _LIST
        return (self.provider, self.model, self.meter, rank, self.id)

    def holds(self, at: datetime) -> bool:
        """Tell whether a moment lies in the validity."""
        begun = self.valid_from is None or self.valid_from <= at
        return begun and at < (self.valid_to or FOREVER)


@dataclass(frozen=True, slots=True)
class _Turn:
    """Which way to leaf, and from where; without a place, from the beginning."""

    forward: bool = True
    place: _Place | None = None

    def leads_to(self, price: PriceFacts) -> bool:
        """Tell whether a price lies in the direction."""
        if self.place is None:
            return True
        return price.place > self.place if self.forward else price.place < self.place


@dataclass(frozen=True, slots=True)
class PricePage:
    """A page of prices, and the cursors of its neighbors; an empty cursor is the end."""

    prices: Sequence[PriceFacts]
    next: str
    previous: str


def browse_prices(
    *, wanted: catalog.PriceFilter, kind: str, cursor: str, limit: int, known_at: datetime
) -> PricePage:
    """Return a page of what was known then, contract prices before list prices of the same thing.

    `kind` is contract, list, or empty for both. Three queries.

    :raises Invalid: when the cursor is not one of ours.
    """
    version = current_version()
    turn = _read_cursor(cursor)
    contracts = [_contract(row, version) for row in _believed(known_at)]
    found = [] if kind == "contract" else _listed(wanted, version, turn, limit, known_at)
    if kind != "list":
        found += [price for price in contracts if _matches(price, wanted)]
    beyond = [price for price in found if turn.leads_to(price)]
    beyond.sort(key=lambda price: price.place)
    page = beyond[:limit] if turn.forward else beyond[-limit:]
    shown = [_superseded(price, contracts, wanted.on or known_at) for price in page]
    more = len(beyond) > limit
    is_next = more if turn.forward else True
    is_previous = more if not turn.forward else turn.place is not None
    return PricePage(
        prices=shown,
        next=_cursor("n", shown[-1]) if shown and is_next else "",
        previous=_cursor("p", shown[0]) if shown and is_previous else "",
    )


def price_history(*, provider: str, model: str, known_at: datetime) -> list[PriceFacts]:
    """Return all prices of a model that were believed then, past and future, contract ones too."""
    version = current_version()
    listed = catalog.list_prices(provider=provider, model=model, known_at=known_at)
    prices = [_list_price(price, version) for price in listed]
    prices += [
        _contract(row, version)
        for row in _believed(known_at)
        if row.provider == provider and covers(row.model, model)
    ]
    return sorted(prices, key=lambda price: price.place)


def contract_price(public_id: UUID) -> PriceFacts:
    """Return one contract price, also one that is not believed any more.

    :raises Missing: when there is none of that id.
    """
    rows = ContractPrice.objects.select_related("replaces", "cost_model")
    row = rows.filter(public_id=public_id).first()
    if row is None:
        raise Missing(f"There is no contract price {public_id}.", code="price_unknown")
    return _contract(row, current_version())


def _believed(at: datetime) -> list[ContractPrice]:
    rows = ContractPrice.objects.select_related("replaces", "cost_model").filter(
        Q(known_to__isnull=True) | Q(known_to__gt=at), known_from__lte=at
    )
    return list(rows.order_by("id"))


def _listed(
    wanted: catalog.PriceFilter, version: VersionFacts, turn: _Turn, limit: int, known_at: datetime
) -> list[PriceFacts]:
    after = before = None
    if turn.place is not None:
        provider, model, meter, rank, row = turn.place
        key = (provider, model, meter, row if rank == _LIST else 0)
        after, before = (key, None) if turn.forward else (None, key)
    rows = catalog.browse(
        wanted=wanted, known_at=known_at, after=after, before=before, limit=limit + 1
    )
    return [_list_price(row, version) for row in rows]


def _matches(price: PriceFacts, wanted: catalog.PriceFilter) -> bool:
    words = wanted.text.lower().split()
    return (
        (not wanted.provider or price.provider == wanted.provider)
        and (not wanted.model or covers(price.model, wanted.model))
        and (not wanted.meter or price.meter == wanted.meter)
        and (not wanted.family or family_of(price.model.rstrip("*")) == wanted.family)
        and (wanted.on is None or price.holds(wanted.on))
        and all(word in f"{price.provider} {price.model}".lower() for word in words)
    )


def _superseded(price: PriceFacts, contracts: Iterable[PriceFacts], at: datetime) -> PriceFacts:
    if price.kind == "contract":
        return price
    for contract in contracts:
        same = (contract.provider, contract.meter, contract.conditions) == (
            price.provider,
            price.meter,
            price.conditions,
        )
        if same and contract.holds(at) and covers(contract.model, price.model):
            return replace(price, superseded_by=contract.public_id)
    return price


def _contract(row: ContractPrice, version: VersionFacts) -> PriceFacts:
    return PriceFacts(
        kind="contract",
        id=row.pk,
        public_id=row.public_id,
        provider=row.provider,
        model=row.model,
        meter=row.meter,
        conditions=row.conditions,
        amount=row.amount,
        unit_size=row.unit_size,
        unit=meter_facts(row.meter).unit,
        currency=row.currency,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        known_from=row.known_from,
        known_to=row.known_to,
        source="contract" if row.cost_model_id is None else "derived",
        note=row.note,
        created_by=row.created_by,
        adopted=row.known_from <= version.contract_known_at,
        replaces=None if row.replaces is None else row.replaces.public_id,
        cost_model=None if row.cost_model is None else row.cost_model.public_id,
    )


def _list_price(price: catalog.ListPriceFacts, version: VersionFacts) -> PriceFacts:
    return PriceFacts(
        kind="list",
        id=price.id,
        public_id=None,
        provider=price.provider,
        model=price.model,
        meter=price.meter,
        conditions=price.conditions,
        amount=price.amount,
        unit_size=price.unit_size,
        unit=meter_facts(price.meter).unit,
        currency=price.currency,
        valid_from=price.valid_from,
        valid_to=price.valid_to,
        known_from=price.known_from,
        known_to=price.known_to,
        source=price.source,
        note="",
        created_by="",
        adopted=price.known_from <= version.catalog_known_at,
    )


def _cursor(direction: str, price: PriceFacts) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([direction, *price.place])).decode()


def _read_cursor(text: str) -> _Turn:
    if not text:
        return _Turn()
    try:
        direction, *place = orjson.loads(base64.urlsafe_b64decode(text.encode()))
        return _Turn(direction == "n", _checked(*place))
    except (ValueError, TypeError, binascii.Error):
        raise Invalid(
            "This cursor is not one of ours; start from the first page.", code="cursor"
        ) from None


def _checked(provider: object, model: object, meter: object, rank: object, row: object) -> _Place:
    names = (provider, model, meter)
    if not all(isinstance(name, str) and "\x00" not in name for name in names):
        raise ValueError("names are texts")
    if rank not in (_CONTRACT, _LIST) or not isinstance(row, int) or not 0 <= row < 2**63:
        raise ValueError("ids are numbers")
    return (str(provider), str(model), str(meter), int(str(rank)), row)
