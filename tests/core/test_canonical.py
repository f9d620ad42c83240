"""Canonical JSON and digests do not depend on order, exponent or timezone."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest

from apps.core.domain.canonical import canonical_json, chained_digest, digest_of, plain_decimal


@pytest.mark.parametrize(
    ("text", "plain"),
    [("1E+3", "1000"), ("0.10", "0.1"), ("-0.00", "0"), ("5", "5"), ("1E-7", "0.0000001")],
)
def test_plain_decimal(text: str, plain: str) -> None:
    assert plain_decimal(Decimal(text)) == plain


def test_equal_values_have_equal_bytes() -> None:
    noon = datetime(2026, 10, 1, 12, tzinfo=UTC)
    same = noon.astimezone(timezone(timedelta(hours=2)))
    first = {"b": Decimal("1.50"), "a": noon, "s": frozenset({"y", "x"})}
    second = {"a": same, "s": frozenset({"x", "y"}), "b": Decimal("1.5")}
    assert canonical_json(first) == canonical_json(second)
    assert digest_of(first) == digest_of(second)


def test_fractions_keep_every_digit() -> None:
    assert canonical_json([Fraction(1, 3)]) == b'["1/3"]'


@pytest.mark.parametrize("value", [1.5, object(), b"x"])
def test_floats_and_strangers_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json({"amount": value})


def test_chained_digest_sees_borders() -> None:
    assert chained_digest([b"ab", b"c"]) != chained_digest([b"a", b"bc"])
