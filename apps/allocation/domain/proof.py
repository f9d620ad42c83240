"""Digests of what went into a run and of what came out, and the conservation check."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from apps.allocation.domain.engine import AxisAllocation, Line, Totals
from apps.allocation.domain.rules import Rule
from apps.allocation.domain.sources import Source
from apps.allocation.domain.transfers import Transfer
from apps.core.domain.canonical import canonical_json, digest_of

ENGINE_VERSION = "1"
"""Part of the input digest: raise it when the same inputs would give other lines."""


class NotConserved(Exception):
    """Lines do not sum to sources; a defect of the engine, never a matter of input."""


def sources_digest(
    sources: Sequence[Source], owners: Mapping[str, Sequence[str]], details: Iterable[str]
) -> str:
    """Return the digest of the cost base with its owners by axis, in the order given.

    `details` stand beside the sources and say what else a run copies of them.
    """
    seal = hashlib.sha256()
    columns = [owners[axis] for axis in sorted(owners)]
    known: dict[int, str] = {}
    for source, detail, *held in zip(sources, details, *columns, strict=True):
        key, facts, billed, effective, quantity, _ = source
        tags = known.get(id(facts.tags))
        if tags is None:
            named = (f"\x1f{name}={value}" for name, value in sorted(facts.tags))
            tags = known[id(facts.tags)] = "".join(named)
        shared, holders = "\x1f".join(facts[:-1]), "\x1f".join(held)
        seal.update(
            f"{key}\x1f{billed}\x1f{effective}\x1f{quantity}\x1f{shared}{tags}\x1f{holders}"
            f"\x1f{detail}\x1e".encode()
        )
    return seal.hexdigest()


def input_digest(
    *,
    month: str,
    currency: str,
    sources: str,
    rules: Iterable[Rule],
    receivers: Mapping[str, Iterable[str]],
    cost_centers: Mapping[str, str],
    drivers: Mapping[str, object],
    transfers: Sequence[Transfer] = (),
) -> str:
    """Return the digest of everything that a run depends on, code included."""
    return digest_of(
        {
            "engine": ENGINE_VERSION,
            "month": month,
            "currency": currency,
            "sources": sources,
            "rules": [rule_content(rule) for rule in rules],
            "receivers": {axis: sorted(codes) for axis, codes in receivers.items()},
            "cost_centers": cost_centers,
            "drivers": drivers,
            **({"adjustments": [asdict(one) for one in transfers]} if transfers else {}),
        }
    )


def rule_content(rule: Rule) -> dict[str, object]:
    """Return a rule as plain values, for digests and audit.

    What came to rules later and is not used is left out, so that no older digest changes.
    """
    content = asdict(rule)
    for name in ("tiers", "minimum_share", "maximum_share"):
        if getattr(rule, name) == _UNUSED[name]:
            del content[name]
    return content


_UNUSED: Final = {"tiers": (), "minimum_share": 0, "maximum_share": 100}


_SEALED_AT_ONCE: Final = 500


class Sealer:
    """Passes an axis's lines through, adding up their sums and the digest of the output."""

    def __init__(self, allocation: AxisAllocation) -> None:
        self.allocation = allocation
        self._seal = hashlib.sha256(allocation.axis.encode())
        self._billed = 0
        self._effective = 0
        self.count = 0

    def lines(self) -> Iterator[Line]:
        """Yield the lines of the allocation in their order."""
        bases = self.allocation.bases
        keys = [source.key for source in self.allocation.sources]
        keys.append("")  # of markups and adjustments, whose source is -1
        named: list[str] = []
        pending: list[str] = []
        for line in self.allocation.lines():
            source, basis, billed, effective = line
            while basis >= len(named):
                found = bases[len(named)]
                named.append(f"{found.receiver}\x1f{found.kind}")
            pending.append(f"{keys[source]}\x1f{named[basis]}\x1f{billed}\x1f{effective}\x1e")
            self._billed += billed
            self._effective += effective
            if len(pending) == _SEALED_AT_ONCE:
                self._pass(pending)
            yield line
        self._pass(pending)

    def _pass(self, pending: list[str]) -> None:
        self._seal.update("".join(pending).encode())
        self.count += len(pending)
        pending.clear()

    @property
    def totals(self) -> Totals:
        """Return the sums of the lines that have passed."""
        return Totals(self._billed, self._effective)

    def digest(self) -> str:
        """Return the digest of the lines that have passed, and of the reasons given for them."""
        seal = self._seal.copy()
        for basis in self.allocation.bases:
            seal.update(canonical_json(asdict(basis) | {"hops": [tuple(h) for h in basis.hops]}))
        return seal.hexdigest()

    def check(self) -> None:
        """Pass when the lines sum to the sources to the last digit.

        :raises NotConserved: when they do not.
        """
        wanted = source_totals(self.allocation.sources)
        if self.totals != wanted:
            raise NotConserved(f"{self.allocation.axis}: {self.totals} against {wanted}")


def source_totals(sources: Iterable[Source]) -> Totals:
    """Return the sums of sources in whole numbers of 1e-12."""
    billed = effective = 0
    for source in sources:
        billed += source.billed
        effective += source.effective
    return Totals(billed, effective)
