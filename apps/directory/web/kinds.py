"""The five kinds of entry as the organization pages know them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from apps.core.domain.errors import Missing
from apps.core.web.lists import Column
from apps.directory import selectors
from apps.directory.domain.entries import Entry
from apps.directory.web import forms

_CODE: Final = Column(key="code", label="Code", kind="code", link="url")
_NAME: Final = Column(key="name", label="Name")
_FROM: Final = Column(key="valid_from", label="Valid from", kind="day", wide=True)
_TO: Final = Column(key="valid_to", label="Valid to", kind="day", wide=True)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry: its words, its list and its form."""

    slug: str
    singular: str
    plural: str
    what: str
    subject: str
    listed: Callable[[], Sequence[Entry]]
    form: type[forms.EntryForm]
    columns: tuple[Column, ...]


KINDS: Final = (
    Kind(
        "cost-centers",
        "cost center",
        "Cost centers",
        "Accounting nodes with a statement, an owner and a ledger code.",
        "cost_center",
        selectors.cost_centers,
        forms.CostCenterForm,
        (
            _CODE,
            Column(key="shown_name", label="Name"),
            Column(key="owner_name", label="Owner"),
            Column(key="owner_email", label="E-mail", wide=True),
            Column(key="gl_code", label="Ledger", kind="code"),
            Column(key="parent", label="Under", kind="code"),
            _FROM,
            _TO,
        ),
    ),
    Kind(
        "teams",
        "team",
        "Teams",
        "Who uses; a team belongs to one cost center at a time.",
        "team",
        selectors.teams,
        forms.TeamForm,
        (_CODE, _NAME, Column(key="cost_center", label="Cost center", kind="code"), _FROM, _TO),
    ),
    Kind(
        "products",
        "product",
        "Products",
        "What usage is for.",
        "product",
        selectors.products,
        forms.ProductForm,
        (_CODE, _NAME, _FROM, _TO),
    ),
    Kind(
        "features",
        "feature",
        "Features",
        "Parts of products whose cost is followed.",
        "feature",
        selectors.features,
        forms.FeatureForm,
        (_CODE, _NAME, Column(key="product", label="Product", kind="code"), _FROM, _TO),
    ),
    Kind(
        "customers",
        "customer",
        "Customers",
        "For whom usage is, outside the organization.",
        "customer",
        selectors.customers,
        forms.CustomerForm,
        (_CODE, _NAME, Column(key="email", label="E-mail"), _FROM, _TO),
    ),
)
_BY_SLUG: Final = {kind.slug: kind for kind in KINDS}


def kind_of(slug: str) -> Kind:
    """Return a kind by its part of the address.

    :raises Missing: when there is no such kind.
    """
    if slug not in _BY_SLUG:
        raise Missing("There is no such part of the organization.")
    return _BY_SLUG[slug]
