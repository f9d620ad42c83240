"""Template filters and tags of the console: figures, dates, badges, icons, charts and fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django import template
from django.forms import (
    BoundField,
    CheckboxInput,
    CheckboxSelectMultiple,
    RadioSelect,
    Select,
    SelectMultiple,
    Widget,
)
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from apps.core import presentation
from apps.core.domain.months import Month
from apps.core.presentation import UNPRICED, Figure, UnitPrice, Unpriced
from apps.core.web import palette, sparklines
from apps.core.web.charts import Chart
from apps.core.web.lists import Column, read
from apps.core.web.parts import Kpi
from apps.core.web.statuses import read_status

register = template.Library()

# ----------------------------------------------------------------------------------------- figures


@register.filter
def money(figure: Figure, currency: str = "") -> SafeString:
    """Show an amount in minor units, exact on hover: USD 1,234.56. Also takes a Money."""
    shown = presentation.money(figure, currency)
    return _figure(figure, shown, presentation.exact_money(figure, currency))


@register.filter
def cost(figure: Figure, currency: str = "") -> SafeString:
    """Show a rated cost, where None means that no price is known: unpriced."""
    return money(UNPRICED if figure is None else figure, currency)


@register.filter
def exact(figure: Figure, currency: str = "") -> SafeString:
    """Show an amount with every digit that it has."""
    return _figure(figure, presentation.exact_money(figure, currency))


@register.filter
def rounded(figure: Figure, currency: str = "") -> SafeString:
    """Show an amount rounded for a KPI card, exact on hover: USD 1.23 M."""
    shown = presentation.rounded_money(figure, currency)
    return _figure(figure, shown, presentation.exact_money(figure, currency))


@register.filter
def quantity(figure: Figure, unit: str = "") -> SafeString:
    """Show a grouped quantity with its unit: 1,234,567 tokens."""
    return _figure(figure, presentation.quantity(figure, unit))


@register.filter
def tokens(figure: Figure, unit: str = "tokens") -> SafeString:
    """Show a quantity in short, exact on hover: 1.2 M."""
    return _figure(figure, presentation.compact(figure), presentation.quantity(figure, unit))


@register.filter(name="unit_price")
def unit_price_filter(price: UnitPrice | Unpriced | None) -> SafeString:
    """Show a UnitPrice: $2.50 per 1M tokens."""
    return _figure(price, presentation.unit_price(price))


@register.filter
def pct(ratio: Figure, digits: int = 1) -> SafeString:
    """Show a ratio as a percentage: 0.124 is 12.4%."""
    return _figure(ratio, presentation.percent(ratio, digits=int(digits)))


@register.filter
def money_text(figure: Figure, currency: str = "") -> str:
    """Return an amount as plain text, for attributes and e-mails."""
    return presentation.money(figure, currency)


@register.filter
def tokens_text(figure: Figure) -> str:
    """Return a short quantity as plain text."""
    return presentation.compact(figure)


@register.simple_tag
def unit_price(
    amount: Figure, currency: str, per: int = 1_000_000, unit: str = "tokens"
) -> SafeString:
    """Show a price given in parts: {% unit_price 2.50 "USD" 1000000 "tokens" %}."""
    value = presentation.decimal_of(amount)
    price = None if value is None else UnitPrice(value, currency, per, unit)
    unpriced = UNPRICED if isinstance(amount, Unpriced) else price
    return _figure(amount, presentation.unit_price(unpriced))


def _figure(figure: object, shown: str, full: str = "") -> SafeString:
    if isinstance(figure, Unpriced):
        return format_html('<span class="unpriced" title="{}">{}</span>', _NO_PRICE, shown)
    if figure is None or figure == "":
        return _MISSING
    if full and full != shown:
        return format_html('<span class="figure" title="{}">{}</span>', full, shown)
    return format_html('<span class="figure">{}</span>', shown)


_NO_PRICE: Final = "No price is known for this model and meter yet, so nothing was guessed."
_MISSING: Final = mark_safe(
    '<span class="missing"><span aria-hidden="true">–</span>'
    '<span class="visually-hidden">no value</span></span>'
)


# -------------------------------------------------------------------------------------------- time


@register.filter
def when(value: datetime | None) -> SafeString:
    """Show a moment in the tenant's timezone with the zone named, UTC on hover."""
    if not value:
        return _MISSING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        _utc(value),
        presentation.moment(value),
    )


@register.filter
def day(value: date | None) -> SafeString:
    """Show a calendar day: Nov 3, 2026."""
    if not value:
        return _MISSING
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), presentation.day(value))


@register.filter
def month(value: Month | date | str | None) -> str:
    """Show an accounting month in words: October 2026."""
    return presentation.month(value)


@register.filter
def took(value: timedelta | None) -> str:
    """Show how long something took: 2 min 05 s."""
    return presentation.duration(value)


def _utc(value: datetime) -> str:
    with presentation.reading_as(locale=str(presentation.current_reading().locale), timezone="UTC"):
        return presentation.moment(value)


# -------------------------------------------------------------------------------- change and trend


@register.inclusion_tag("components/change.html")
def change(
    current: Figure,
    previous: Figure,
    *,
    currency: str = "",
    good: str = "",
    against: str = "",
    kind: str = "",
) -> dict[str, Any]:
    """Show amount and percent of a change with an arrow and a word.

    `good` is `up`, `down` or empty, and only tints; `against` names the earlier period. The
    difference of two ratios (`kind` "pct") is in percentage points.
    """
    moved = presentation.change(current, previous)
    ratio = None if moved.ratio is None else presentation.percent(abs(moved.ratio))
    return {
        "change": moved,
        "amount": _difference(abs(moved.difference), currency, kind),
        "ratio": None if kind == "pct" else ratio,
        "icon": _ARROWS.get(moved.direction, "minus"),
        "tone": _tone(moved.direction, good),
        "against": against,
    }


def _difference(amount: Decimal, currency: str, kind: str) -> str:
    if kind == "pct":
        return f"{presentation.number(amount * 100, most=1)}{presentation.NBSP}points"
    return presentation.money(amount, currency) if currency else presentation.compact(amount)


_ARROWS: Final = {"up": "arrow-up-right", "down": "arrow-down-right", "new": "plus"}


def _tone(direction: str, good: str) -> str:
    if not good or direction not in ("up", "down"):
        return "neutral"
    return "good" if direction == good else "bad"


@register.simple_tag
def sparkline(values: Iterable[Figure], label: str = "Trend") -> SafeString:
    """Draw a small line as SVG, without scripts; missing values leave a gap."""
    drawn = sparklines.draw([presentation.decimal_of(value) for value in values])
    if drawn is None:
        return mark_safe("")
    return format_html(
        '<svg class="sparkline" viewBox="-2 0 104 30" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path class="sparkline-area" d="{}"/>'
        '<path class="sparkline-line" d="{}"/><path class="sparkline-end" d="{}"/></svg>',
        label,
        drawn.area,
        drawn.line,
        drawn.end,
    )


@register.simple_tag
def kpi_value(kpi: Kpi) -> SafeString:
    """Show a card's figure the way its kind says."""
    if kpi.kind == "money":
        return rounded(kpi.value, kpi.currency)
    if kpi.kind == "tokens":
        return tokens(kpi.value, kpi.unit)
    if kpi.kind == "pct":
        return pct(kpi.value)
    return quantity(kpi.value, kpi.unit)


# ---------------------------------------------------------------------------- icons, badges, owners


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """Draw an icon of the vendored sprite; decorative, so the text beside it carries the sense."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css,
        static("vendor/icons/sprite.svg"),
        name,
    )


@register.simple_tag
def badge(status: str, label: str = "") -> SafeString:
    """Show a status as word, color and sign. Unknown statuses are neutral."""
    words, tone, sign = read_status(status)
    mark = mark_safe('<span class="status-point"></span>') if sign == "point" else icon(sign)
    return format_html(
        '<span class="status-badge status-{}">{}{}</span>', tone, mark, label or capfirst(words)
    )


@register.simple_tag
def owner(name: str, url: str = "") -> SafeString:
    """Show an owner's name beside the color that it has in every chart."""
    if not name:
        return _MISSING
    dot = format_html('<span class="owner-dot owner-{}"></span>', palette.slot_of(name))
    if url:
        return format_html('<span class="owner">{}<a href="{}">{}</a></span>', dot, url, name)
    return format_html('<span class="owner">{}{}</span>', dot, name)


@register.simple_tag
def progress(value: Figure, most: Figure = 100, label: str = "Progress") -> SafeString:
    """Draw a bar; without a value it moves to show that work goes on."""
    done = presentation.decimal_of(value)
    if done is None:
        return format_html('<progress class="bar" aria-label="{}"></progress>', label)
    return format_html(
        '<progress class="bar" value="{}" max="{}" aria-label="{}"></progress>', done, most, label
    )


# ------------------------------------------------------------------------------------ charts, lists


@register.inclusion_tag("components/chart.html")
def chart(shown: Chart, level: int = 2) -> dict[str, Any]:
    """Show a chart card: the finding as its title, the picture, and the table behind a toggle."""
    return {"chart": shown, "level": level}


@register.filter
def item(row: object, key: str) -> Any:
    """Return an item of a mapping or an attribute of an object by its name."""
    return read(row, key)


@register.simple_tag
def cell(column: Column, row: object) -> SafeString:
    """Show one value of a list the way its column says."""
    shown = figure_of(column, column.value(row), row)
    url = read(row, column.link) if column.link else ""
    return format_html('<a href="{}">{}</a>', url, shown) if url else shown


@register.simple_tag
def total(column: Column, figure: Any) -> SafeString:
    """Show a column's total; a column without one stays blank."""
    return mark_safe("") if figure is None else figure_of(column, figure, {})


def figure_of(column: Column, value: Any, row: object) -> SafeString:
    """Return a value as its column's kind shows it."""
    if column.kind in ("money", "cost", "exact"):
        currency = column.currency_of(row) if row else column.currency
        return _MONEY[column.kind](value, currency)
    if column.kind in ("quantity", "tokens"):
        return _COUNTED[column.kind](value, column.unit)
    return _SHOWN[column.kind](value)


def _text(value: Any) -> SafeString:
    return _MISSING if value in (None, "") else format_html("{}", value)


def _code(value: Any) -> SafeString:
    return _MISSING if value in (None, "") else format_html("<code>{}</code>", value)


def _month(value: Any) -> SafeString:
    return format_html("{}", presentation.month(value))


_MONEY: Final[Mapping[str, Callable[[Any, str], SafeString]]] = {
    "money": money,
    "cost": cost,
    "exact": exact,
}
_COUNTED: Final[Mapping[str, Callable[[Any, str], SafeString]]] = {
    "quantity": quantity,
    "tokens": tokens,
}
_SHOWN: Final[Mapping[str, Callable[[Any], SafeString]]] = {
    "text": _text,
    "code": _code,
    "owner": owner,
    "badge": badge,
    "pct": pct,
    "unit_price": unit_price_filter,
    "when": when,
    "day": day,
    "month": _month,
}


# ------------------------------------------------------------------------------------------- fields

_GROUPS: Final = (RadioSelect, CheckboxSelectMultiple)


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, wide: str = "") -> dict[str, Any]:
    """Show a form field: label, control, help, and the error beside it with the remedy."""
    return {
        "field": bound,
        "control": _control(bound),
        "check": isinstance(bound.field.widget, CheckboxInput),
        "group": isinstance(bound.field.widget, _GROUPS),
        "wide": wide,
    }


def _control(bound: BoundField) -> SafeString:
    widget = bound.field.widget
    described = [f"{bound.auto_id}_help"] if bound.help_text else []
    attrs: dict[str, Any] = {}
    css = f"{widget.attrs.get('class', '')} {_control_class(widget)}".strip()
    if bound.errors:
        described.insert(0, f"{bound.auto_id}_error")
        attrs["aria-invalid"] = "true"
        css = f"{css} is-invalid".strip()
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if not isinstance(widget, _GROUPS):
        attrs["class"] = css
    return SafeString(bound.as_widget(attrs=attrs))


def _control_class(widget: Widget) -> str:
    if isinstance(widget, CheckboxInput):
        return "form-check-input"
    return "form-select" if isinstance(widget, Select | SelectMultiple) else "form-control"
