"""Shared costs that feed each other: who leaks, and the exact reciprocal solution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

Flow = Mapping[str, Mapping[str, Fraction]]
"""By sender: the part of its cost that goes to each receiver; parts of a sender sum to one."""


def trapped(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the senders whose cost never reaches a receiver that is no sender, sorted."""
    leaking: set[str] = set()
    grew = True
    while grew:
        grew = False
        for sender, receivers in edges.items():
            if sender in leaking:
                continue
            if any(receiver not in edges or receiver in leaking for receiver in receivers):
                leaking.add(sender)
                grew = True
    return sorted(set(edges) - leaking)


def absorbed(flow: Flow) -> dict[str, dict[str, Fraction]]:
    """Return by sender the exact part of its cost that ends at each final receiver.

    Solves (I - Q) X = R over rationals, Q being the flow among senders and R the flow to final
    receivers, those that are no senders. The caller has made sure that nothing is trapped, so the
    system has exactly one solution.
    """
    senders = sorted(flow)
    place = {sender: index for index, sender in enumerate(senders)}
    finals = sorted({code for parts in flow.values() for code in parts if code not in flow})
    column = {receiver: index for index, receiver in enumerate(finals)}
    rows: list[list[Fraction]] = []
    for sender in senders:
        row = [Fraction(0)] * (len(senders) + len(finals))
        row[place[sender]] = Fraction(1)
        for receiver, part in flow[sender].items():
            if receiver in place:
                row[place[receiver]] -= part
            else:
                row[len(senders) + column[receiver]] += part
        rows.append(row)
    _eliminate(rows)
    width = len(senders)
    return {
        sender: {
            receiver: rows[place[sender]][width + index]
            for index, receiver in enumerate(finals)
            if rows[place[sender]][width + index]
        }
        for sender in senders
    }


def _eliminate(rows: list[list[Fraction]]) -> None:
    """Bring the left square of `rows` to the identity, in place (Gauss-Jordan)."""
    for index in range(len(rows)):
        pivot = next(at for at in range(index, len(rows)) if rows[at][index])
        rows[index], rows[pivot] = rows[pivot], rows[index]
        scale = rows[index][index]
        rows[index] = [value / scale for value in rows[index]]
        for other in range(len(rows)):
            factor = rows[other][index]
            if other != index and factor:
                rows[other] = [
                    value - factor * base
                    for value, base in zip(rows[other], rows[index], strict=True)
                ]
