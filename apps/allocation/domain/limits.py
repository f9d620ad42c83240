"""Shares between a least and a most, exactly; what one may not bear, the others bear."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction


def limited(
    shares: Mapping[str, Fraction], *, least: Fraction, most: Fraction
) -> dict[str, Fraction]:
    """Return shares within [least, most] that keep their proportions where no bound holds them.

    `shares` sum to one. Every share becomes `scale x share`, cut to the bounds, with the one scale
    at which all sum to one again. When even the least of all is too much, everybody bears the
    same; when even the most of all is too little, the sum stays below one.
    """
    count = len(shares)
    if count * least >= 1:
        return dict.fromkeys(shares, Fraction(1, count))
    if _sum(shares, None, least, most) <= 1:
        return {code: _cut(share, None, least, most) for code, share in shares.items()}
    scale = _scale(shares, least, most)
    return {code: _cut(share, scale, least, most) for code, share in shares.items()}


def _scale(shares: Mapping[str, Fraction], least: Fraction, most: Fraction) -> Fraction:
    """Return the scale at which the cut shares sum to one.

    Their sum grows with the scale, in straight lines between the scales at which a share meets a
    bound; so the two such scales around one are found by halving, and the line between them solved.
    """
    met = {bound / share for share in shares.values() if share for bound in (least, most)}
    marks = sorted({Fraction(0), *met})
    low, high = 0, len(marks) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _sum(shares, marks[middle], least, most) <= 1:
            low = middle
        else:
            high = middle
    begin, end = (_sum(shares, marks[at], least, most) for at in (low, high))
    if begin == end:
        return marks[low]
    return marks[low] + (marks[high] - marks[low]) * (1 - begin) / (end - begin)


def _sum(
    shares: Mapping[str, Fraction], scale: Fraction | None, least: Fraction, most: Fraction
) -> Fraction:
    return sum((_cut(share, scale, least, most) for share in shares.values()), Fraction(0))


def _cut(share: Fraction, scale: Fraction | None, least: Fraction, most: Fraction) -> Fraction:
    """Return one share cut to the bounds; without a scale, the most that it can become."""
    if scale is None:
        return most if share else least
    return min(max(scale * share, least), most)
