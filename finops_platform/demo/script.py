"""Reads a tenant's story: its people, organization, rules, rates, bills and traffic."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.allocation.domain.rules import Axis, Method, Receivers, Rule, Scope
from apps.core.domain.months import Month
from apps.directory.domain.entries import (
    CostCenterFacts,
    CustomerFacts,
    FeatureFacts,
    ProductFacts,
    TeamFacts,
)
from finops_platform.demo.overlay import Choice, Story
from finops_platform.demo.traces import DATA, Trace, azure, mooncake

Rows = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Script:
    """One demo tenant, as its TOML file tells it."""

    text: Mapping[str, Any]

    @classmethod
    def read(cls, slug: str) -> Script:
        """Read `data/<slug>.toml`."""
        return cls(tomllib.loads((DATA / f"{slug}.toml").read_text(encoding="utf-8")))

    def __getitem__(self, key: str) -> Any:
        return self.text[key]

    @property
    def organization(self) -> dict[str, Sequence[Any]]:
        """Return the directory's entries by the keyword that enters them."""
        features = [
            FeatureFacts(code=code, name=_title(code), product=product["code"])
            for product in self.text["products"]
            for code in product["features"]
        ]
        return {
            "cost_centers": [CostCenterFacts(**row) for row in self.text["cost_centers"]],
            "teams": [TeamFacts(**row) for row in self.text["teams"]],
            "products": [
                ProductFacts(code=row["code"], name=row["name"]) for row in self.text["products"]
            ],
            "features": features,
            "customers": [CustomerFacts(**row) for row in self.text["customers"]],
        }

    def rules(self, first: Month) -> list[Rule]:
        """Return the allocation rules, in force from a month on."""
        return [
            Rule(
                code=row["code"],
                name=row["name"],
                axis=Axis(row["axis"]),
                method=Method(row["method"]),
                scope=Scope(
                    owners=frozenset(row.get("owners", ())),
                    facts={key: tuple(values) for key, values in row.get("facts", {}).items()},
                ),
                receivers=Receivers(everyone=True),
                level=row["level"],
                driver=row["driver"],
                final_only=row.get("final_only", False),
                valid_from=first.first_day,
            )
            for row in self.text["rules"]
        ]

    @property
    def rates(self) -> list[tuple[str, str, Decimal, str, list[Decimal]]]:
        """Return (base, quote, budget rate, source, frozen rates by month) of each pair."""
        return [
            (
                row["base"],
                row["quote"],
                Decimal(row["budget"]),
                row["source"],
                [Decimal(rate) for rate in row["frozen"]],
            )
            for row in self.text.get("rates", ())
        ]

    @property
    def bills(self) -> Rows:
        """Return the recorded bills: file, account, name, and the month they were recorded for."""
        return list(self.text.get("bills", ()))

    @property
    def accounts(self) -> Rows:
        """Return the provider accounts whose bill is the truth."""
        return list(self.text.get("accounts", ()))

    @property
    def arrivals(self) -> Rows:
        """Return the bills that come after the close of their month."""
        return list(self.text.get("arrivals", ()))

    @property
    def late(self) -> Rows:
        """Return the requests that are reported after the close of their month."""
        return list(self.text.get("late", ()))

    @property
    def responders(self) -> Rows:
        """Return who answers for which cost center beside its owner."""
        return list(self.text.get("responders", ()))

    @property
    def answers(self) -> Rows:
        """Return what people say to statements, and how finance ends what they dispute."""
        return list(self.text.get("answers", ()))

    @property
    def stories(self) -> list[tuple[Story, int | None]]:
        """Return each story with the place of its surge month among the demo's, if it has one."""
        return [(_story(row), row.get("surge_month")) for row in self.text["stories"]]


def _story(row: Mapping[str, Any]) -> Story:
    return Story(
        trace=_trace(row["trace"]),
        source=row["source"],
        callers=_choices(row["callers"]),
        models=_choices(row["models"]),
        customers=_choices(row["customers"]),
        experiments=_choices(row["experiments"]),
        outcome=row["outcome"],
    )


def _choices(rows: Sequence[Mapping[str, Any]]) -> tuple[Choice, ...]:
    return tuple(
        Choice(row["weight"], {key: value for key, value in row.items() if key != "weight"})
        for row in rows
    )


def _trace(name: str) -> Trace:
    return mooncake() if name == "chat" else azure(name)


def _title(code: str) -> str:
    return code.replace("-", " ").capitalize()
