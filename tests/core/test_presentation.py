"""Figures, changes, dates and fields as people read them; no database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django import forms
from django.template import Context, Template

from apps.core import presentation
from apps.core.domain.money import Money
from apps.core.domain.months import Month
from apps.core.presentation import UNPRICED, UnitPrice, reading_as
from apps.core.templatetags import ui

AT = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)


def plain(text: str) -> str:
    """Return the text with its special spaces as ordinary ones."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def render(source: str, **context: object) -> str:
    return plain(Template("{% load ui %}" + source).render(Context(context)))


# ----------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ("en-US", "USD 1,234.56"),
        ("de-DE", "USD 1.234,56"),
        ("de_DE", "USD 1.234,56"),
        ("fr-FR", "USD 1 234,56"),
        ("xx-YY", "USD 1,234.56"),
    ],
)
def test_money_is_grouped_the_way_of_the_locale(locale: str, shown: str) -> None:
    with reading_as(locale=locale, timezone="UTC"):
        assert plain(presentation.money(Decimal("1234.56"), "USD")) == shown


@pytest.mark.parametrize(
    ("figure", "currency", "shown"),
    [
        (Decimal("1234.567891"), "USD", "USD 1,234.57"),
        ("1234.5", "JPY", "JPY 1,234"),
        ("1.2345", "KWD", "KWD 1.234"),
        (12, "EUR", "EUR 12.00"),
        (Decimal("-120.5"), "USD", "USD -120.50"),
        (Decimal("-0.001"), "USD", "USD 0.00"),
        (Money(Decimal("3.1"), "EUR"), "", "EUR 3.10"),
        (None, "USD", "–"),
        ("", "USD", "–"),
        (UNPRICED, "USD", "unpriced"),
    ],
)
def test_money_stands_in_minor_units_behind_its_code(
    figure: presentation.Figure, currency: str, shown: str
) -> None:
    assert plain(presentation.money(figure, currency)) == shown


def test_the_code_never_breaks_away_from_its_amount() -> None:
    assert presentation.money("1234.5", "USD") == "USD\u00a01,234.50"


@pytest.mark.parametrize("figure", [1.5, True, float("nan")])
def test_floats_are_refused(figure: object) -> None:
    with pytest.raises(TypeError):
        presentation.money(figure, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize("figure", ["abc", "NaN", "Infinity"])
def test_texts_that_are_no_numbers_are_refused(figure: str) -> None:
    with pytest.raises(ValueError, match=r"is no decimal|is not finite"):
        presentation.money(figure, "USD")


def test_exact_money_keeps_every_digit() -> None:
    figure = Decimal("123456789012345678901.123456789012345678901234")
    assert plain(presentation.exact_money(figure, "USD")) == (
        "USD 123,456,789,012,345,678,901.123456789012345678901234"
    )
    assert plain(presentation.exact_money("2", "USD")) == "USD 2.00"


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        ("9999.99", "USD 9,999.99"),
        ("47608.895123", "USD 47,609"),
        ("1234567.8", "USD 1.23 M"),
        ("-2500000", "USD -2.5 M"),
        (None, "–"),
    ],
)
def test_cards_may_round(figure: str | None, shown: str) -> None:
    assert plain(presentation.rounded_money(figure, "USD")) == shown


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (12_345, "12.3 K"),
        (1_234_567, "1.2 M"),
        (98_765_432_100, "98.8 B"),
    ],
)
def test_tokens_are_short(figure: int, shown: str) -> None:
    assert plain(presentation.compact(figure)) == shown


def test_a_locale_without_short_thousands_groups_them() -> None:
    with reading_as(locale="de-DE", timezone="UTC"):
        assert presentation.compact(131_072) == "131.072"
        assert plain(presentation.compact(1_234_567)) == "1,2 Mio."


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (UnitPrice(Decimal("2.5"), "USD", 10**6, "tokens"), "$2.50 per 1M tokens"),
        (UnitPrice(Decimal("0.075"), "USD", 10**6, "tokens"), "$0.075 per 1M tokens"),
        (UnitPrice(Decimal("30"), "EUR", 1000, "pages"), "€30.00 per 1K pages"),
        (UnitPrice(Decimal("0.00012"), "USD", 1, "GPU-seconds"), "$0.00012 per GPU-second"),
        (UnitPrice(Decimal("4"), "USD", 60, "seconds"), "$4.00 per 60 seconds"),
        (UNPRICED, "unpriced"),
        (None, "–"),
    ],
)
def test_unit_prices_name_their_unit_and_keep_their_digits(
    price: UnitPrice | presentation.Unpriced | None, shown: str
) -> None:
    assert plain(presentation.unit_price(price)) == shown


def test_percentages_come_from_ratios() -> None:
    assert presentation.percent(Decimal("0.1246")) == "12.5%"
    assert presentation.percent(Decimal("0.964"), digits=0) == "96%"
    assert presentation.percent(None) == "–"


# ------------------------------------------------------------------------------------------ change


@pytest.mark.parametrize(
    ("now", "then", "direction", "difference", "ratio"),
    [
        ("120", "100", "up", "20", "0.2"),
        ("75", "100", "down", "-25", "-0.25"),
        ("1", "1", "same", "0", "0"),
        ("5", "0", "new", "5", None),
        ("-50", "-100", "up", "50", "0.5"),
    ],
)
def test_change_has_direction_amount_and_ratio(
    now: str, then: str, direction: str, difference: str, ratio: str | None
) -> None:
    moved = presentation.change(now, then)
    expected = None if ratio is None else Decimal(ratio)
    assert (moved.direction, moved.difference, moved.ratio) == (
        direction,
        Decimal(difference),
        expected,
    )


@pytest.mark.parametrize(("now", "then"), [(None, "1"), ("1", None), (UNPRICED, "1")])
def test_change_against_nothing_is_unknown(
    now: presentation.Figure, then: presentation.Figure
) -> None:
    assert presentation.change(now, then).direction == "unknown"


# -------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("locale", "zone", "shown"),
    [
        ("en-US", "America/New_York", "Nov 3, 2026, 9:05 AM EST"),
        ("de-DE", "Europe/Berlin", "3. Nov. 2026, 15:05 MEZ"),
        ("en-GB", "UTC", "3 Nov 2026, 14:05 UTC"),
        ("en-US", "Asia/Dubai", "Nov 3, 2026, 6:05 PM UTC+04:00"),
    ],
)
def test_moments_stand_in_the_zone_which_is_named(locale: str, zone: str, shown: str) -> None:
    with reading_as(locale=locale, timezone=zone):
        assert plain(presentation.moment(AT)) == shown


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        presentation.moment(datetime(2026, 1, 1))


def test_days_of_moments_are_local() -> None:
    with reading_as(locale="en-US", timezone="Asia/Tokyo"):
        assert presentation.day(datetime(2026, 10, 31, 23, 0, tzinfo=UTC)) == "Nov 1, 2026"
        assert presentation.day(date(2026, 10, 31)) == "Oct 31, 2026"


@pytest.mark.parametrize("value", ["2026-10", date(2026, 10, 9), Month(2026, 10)])
def test_months_are_words(value: str | date | Month) -> None:
    assert presentation.month(value) == "October 2026"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (timedelta(milliseconds=840), "0.8 s"),
        (timedelta(seconds=41), "41 s"),
        (timedelta(seconds=125), "2 min 05 s"),
        (timedelta(hours=3, seconds=59), "3 h 00 min"),
        (None, "–"),
    ],
)
def test_durations_show_two_units(value: timedelta | None, shown: str) -> None:
    assert plain(presentation.duration(value)) == shown


def test_reading_ends_with_its_block() -> None:
    before = presentation.current_reading()
    with reading_as(locale="de-DE", timezone="Europe/Berlin"):
        assert presentation.zone_label() == "Europe/Berlin"
    assert presentation.current_reading() == before


# ---------------------------------------------------------------------------------- template markup


def test_money_shows_the_exact_amount_on_hover() -> None:
    shown = render("{{ amount|money:'USD' }}", amount=Decimal("1234.567891"))
    assert shown == '<span class="figure" title="USD 1,234.567891">USD 1,234.57</span>'
    assert render("{{ 5|money:'USD' }}") == '<span class="figure">USD 5.00</span>'


def test_a_cost_without_price_is_unpriced_and_an_amount_without_value_is_missing() -> None:
    assert ">unpriced</span>" in render("{{ none|cost:'USD' }}", none=None)
    assert "–" in render("{{ none|money:'USD' }}", none=None)
    assert ">USD 0.00</span>" in render("{{ zero|cost:'USD' }}", zero=0)


def test_tokens_show_the_exact_number_on_hover() -> None:
    assert render("{{ 1234567|tokens }}") == (
        '<span class="figure" title="1,234,567 tokens">1.2 M</span>'
    )


def test_a_unit_price_is_given_in_parts() -> None:
    assert render("{% unit_price '2.50' 'USD' 1000000 'tokens' %}") == (
        '<span class="figure">$2.50 per 1M tokens</span>'
    )


def test_a_change_has_arrow_word_amount_and_percent() -> None:
    shown = render("{% change 120 100 currency='USD' good='down' against='September' %}")
    assert "#arrow-up-right" in shown
    assert "up" in shown
    assert "USD 20.00" in shown
    assert "(20.0%)" in shown
    assert "against September" in shown
    assert "change-bad" in shown


def test_the_change_of_a_ratio_is_in_points() -> None:
    shown = render("{% change now then kind='pct' %}", now=Decimal("0.964"), then=Decimal("0.917"))
    assert "4.7 points" in shown
    assert "%" not in shown


@pytest.mark.parametrize(
    ("status", "tone"), [("closed", "good"), ("soft_closed", "busy"), ("odd", "neutral")]
)
def test_badges_say_the_status_in_a_word(status: str, tone: str) -> None:
    shown = ui.badge(status)
    assert f"status-{tone}" in shown
    assert status.replace("_", "-").capitalize() in shown


def test_markup_of_strangers_is_escaped() -> None:
    evil = '<img src=x onerror="alert(1)">'
    for source in ("{% owner evil %}", "{% badge evil %}", "{{ 1|quantity:evil }}"):
        assert "<img" not in render(source, evil=evil)


def test_a_sparkline_needs_two_values_and_leaves_gaps() -> None:
    assert render("{% sparkline values %}", values=[1]) == ""
    shown = render("{% sparkline values %}", values=[1, None, 3, 2])
    assert shown.count("M") == 3  # two strokes and the dot at the end


class Draft(forms.Form):
    """One wrong field, one optional, one choice."""

    limit = forms.DecimalField(help_text="In USD.", min_value=1)
    note = forms.CharField(required=False)
    window = forms.ChoiceField(choices=[("m", "Month")], widget=forms.RadioSelect)


def test_a_field_ties_label_help_and_error_to_its_control() -> None:
    shown = render("{% field form.limit %}", form=Draft({"limit": "0"}))
    assert 'for="id_limit"' in shown
    assert 'aria-describedby="id_limit_error id_limit_help"' in shown
    assert 'aria-invalid="true"' in shown
    assert 'id="id_limit_error"' in shown


def test_optional_fields_say_so_and_choices_have_a_legend() -> None:
    form = Draft()
    assert "optional" in render("{% field form.note %}", form=form)
    assert "<legend" in render("{% field form.window %}", form=form)


def test_the_source_of_a_price_names_its_term_in_short() -> None:
    whole = "3f2a9c1b-8ba9-45b3-9911-66be11d7b594"
    shown = {
        f"genai-prices 0.2.3 less discount {whole}": "genai-prices 0.2.3 less discount 3f2a9c1b",
        f"derived, contract {whole}": "derived, contract 3f2a9c1b",
        f"commitment {whole} level 2": "commitment 3f2a9c1b level 2",
        f"sheet {whole}": f"sheet {whole}",
        "genai-prices 0.2.3": "genai-prices 0.2.3",
    }
    assert {source: presentation.price_source(source) for source in shown} == shown
