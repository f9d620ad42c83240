"""What may be entered in the directory: codes, names, and one entry of each kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from apps.core.domain.errors import FieldError

UNALLOCATED: Final = "UNALLOCATED"
"""The cost center of what nobody owns; always there, with a statement of its own (rule 18)."""

MARKUP_RECOVERY: Final = "MARKUP"
"""The cost center on which markups are recovered, so that they conserve (rule 18)."""

TEXT_LIMIT: Final = 200
CODE_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_CODE: Final = re.compile(CODE_PATTERN)
_EMAIL: Final = re.compile(r"[^@\s\x00]+@[^@\s\x00]+")


class CostCenterKind(StrEnum):
    """What an accounting node is for."""

    ORDINARY = "ordinary"
    UNALLOCATED = "unallocated"
    MARKUP_RECOVERY = "markup_recovery"


@dataclass(frozen=True, slots=True)
class CostCenterFacts:
    """An accounting node with an owner and a general-ledger code; `parent` may be empty."""

    code: str
    name: str
    owner_name: str = ""
    owner_email: str = ""
    gl_code: str = ""
    parent: str = ""
    kind: CostCenterKind = CostCenterKind.ORDINARY
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class TeamFacts:
    """A team and the cost center it belongs to on the day asked for; empty when to none."""

    code: str
    name: str
    cost_center: str = ""
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """A product whose usage is shown together."""

    code: str
    name: str
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """A feature, of a product when one is named."""

    code: str
    name: str
    product: str = ""
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """A customer whose use is followed to a margin or an invoice."""

    code: str
    name: str
    email: str = ""
    valid_from: date | None = None
    valid_to: date | None = None


Entry = CostCenterFacts | TeamFacts | ProductFacts | FeatureFacts | CustomerFacts


def is_code(text: str) -> bool:
    """Tell whether a text could be the code of an entry."""
    return _CODE.fullmatch(text) is not None


def refusals_of(entry: Entry) -> tuple[FieldError, ...]:
    """Return what is wrong with an entry by itself, field by field."""
    found = [*_code_refusals("code", entry.code), *_name_refusals(entry.name)]
    match entry:
        case CostCenterFacts():
            found += _text_refusals("owner_name", entry.owner_name)
            found += _text_refusals("gl_code", entry.gl_code)
            found += _email_refusals("owner_email", entry.owner_email)
            if entry.parent and entry.parent == entry.code:
                found.append(FieldError("parent", "cycle", "A cost center is not its own parent."))
        case CustomerFacts():
            found += _email_refusals("email", entry.email)
        case _:
            pass
    if entry.valid_from and entry.valid_to and entry.valid_to <= entry.valid_from:
        found.append(FieldError("valid_to", "order", "Give an end after the start."))
    return tuple(found)


def _code_refusals(name: str, code: str) -> Iterable[FieldError]:
    if not is_code(code):
        yield FieldError(
            name,
            "code",
            "Give 1 to 64 letters, digits, dots, dashes or underscores, starting with a letter "
            "or digit.",
        )


def _name_refusals(name: str) -> Iterable[FieldError]:
    if not name.strip():
        yield FieldError("name", "required", "Give a name that people recognize.")
    yield from _text_refusals("name", name)


def _text_refusals(field: str, text: str) -> Iterable[FieldError]:
    if len(text) > TEXT_LIMIT or not text.isprintable():
        yield FieldError(field, "text", f"Give at most {TEXT_LIMIT} printable characters.")


def _email_refusals(field: str, text: str) -> Iterable[FieldError]:
    if text and (len(text) > 254 or not _EMAIL.fullmatch(text)):
        yield FieldError(field, "email", "Give an e-mail address, as ada@example.com.")
