"""Why receivers bear what they bear: the reasons that lines of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from apps.allocation.domain.commitments import Regain
from apps.allocation.domain.routes import Hop
from apps.allocation.domain.rules import MARKUP, Rule
from apps.allocation.domain.transfers import Transfer
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM

DIRECT_KIND: Final = "direct"
SHARED_KIND: Final = "shared"
UNALLOCATED_KIND: Final = "unallocated"
MARKUP_KIND: Final = "markup"
ADJUSTMENT_KIND: Final = "adjustment"
COMMITMENT_KIND: Final = "commitment"


@dataclass(frozen=True, slots=True)
class Basis:
    """Why a receiver bears a share: shared by all lines of sources that go the same way."""

    receiver: str
    kind: str
    share: Fraction
    rule: str = ""
    method: str = ""
    driver: str = ""
    measure: str = ""
    driver_value: Decimal = Decimal(0)
    driver_total: Decimal = Decimal(0)
    hops: tuple[Hop, ...] = ()


def regain_basis(one: Regain) -> Basis:
    """Return why a receiver bears more or less once a saving is shared."""
    own, share = (
        EXACT.multiply(Decimal(units), PUBLISHED_QUANTUM) for units in (one.own, one.share)
    )
    hop = Hop(
        sender=one.receiver,
        receiver=one.receiver,
        rule=one.rule.code,
        method=COMMITMENT_KIND,
        driver=one.rule.driver,
        measure=f"gives up a saving of {plain_decimal(own)}, receives {plain_decimal(share)}",
        value=one.weight,
        total=one.whole,
        share=one.fraction,
    )
    return Basis(
        receiver=one.receiver,
        kind=COMMITMENT_KIND,
        share=one.fraction,
        rule=one.rule.code,
        method=COMMITMENT_KIND,
        driver=one.rule.driver,
        measure=one.measure,
        driver_value=one.weight,
        driver_total=one.whole,
        hops=(hop,),
    )


def transfer_basis(transfer: Transfer, bearer: str) -> Basis:
    """Return why an adjustment stands on the statement of one of its two receivers."""
    hop = Hop(
        sender=transfer.sender,
        receiver=transfer.receiver,
        rule=transfer.code,
        method=ADJUSTMENT_KIND,
        driver="",
        measure=transfer.reason,
        value=transfer.amount,
        total=transfer.amount,
        share=Fraction(1),
    )
    return Basis(
        receiver=bearer,
        kind=ADJUSTMENT_KIND,
        share=Fraction(1),
        rule=transfer.code,
        method=ADJUSTMENT_KIND,
        measure=transfer.reason,
        driver_value=transfer.amount,
        driver_total=transfer.amount,
        hops=(hop,),
    )


def markup_basis(rule: Rule, bearer: str, receiver: str) -> Basis:
    """Return why a markup is charged to a receiver, or earned by its recovery."""
    hop = Hop(
        sender=MARKUP,
        receiver=receiver,
        rule=rule.code,
        method=rule.method.value,
        driver="",
        measure="percent",
        value=rule.percent,
        total=Decimal(100),
        share=Fraction(rule.percent) / 100,
    )
    return Basis(
        receiver=bearer,
        kind=MARKUP_KIND,
        share=Fraction(rule.percent) / 100,
        rule=rule.code,
        method=rule.method.value,
        measure="percent",
        driver_value=rule.percent,
        driver_total=Decimal(100),
        hops=(hop,),
    )
