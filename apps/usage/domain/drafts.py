"""What a sender says happened: the wire form of one usage event, typed and compiled.

Fields stand in alphabetical order, because the digest is taken over them in that order
(`digest.py`), and absent, null and default mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, field

MOST: Final = 10**18
"""No quantity reaches this (rule 7)."""

_WIDE: Final = Context(prec=60)
_LONGEST_NUMBER: Final = 64
_MOST_DECIMALS: Final = 24
_WHOLE_DIGITS: Final = 18


class Exact(Decimal):
    """A decimal that arrived as a string (or as a whole number), in normal form."""

    __slots__ = ()

    @classmethod
    def of(cls, sent: object) -> Exact:
        """Read a decimal string.

        :raises ValueError: when it is none, or has more than 18 whole or 24 decimal digits.
        """
        if isinstance(sent, bool) or not isinstance(sent, str | int):
            raise ValueError('Expected a decimal as a string, such as "0.25"')
        if isinstance(sent, int) and abs(sent) >= MOST:
            raise ValueError("Expected a number below 10^18")
        if isinstance(sent, str) and len(sent) > _LONGEST_NUMBER:
            raise ValueError(f"Expected a decimal of at most {_LONGEST_NUMBER} characters")
        try:
            value = Decimal(sent)
        except InvalidOperation:
            raise ValueError('Expected a decimal such as "0.25"') from None
        if not value.is_finite():
            raise ValueError("Expected a finite decimal")
        if value and value.adjusted() >= _WHOLE_DIGITS:
            raise ValueError("Expected a number below 10^18")
        normal = value.normalize(_WIDE)
        exponent = normal.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -_MOST_DECIMALS:
            raise ValueError(f"Expected a decimal of at most {_MOST_DECIMALS} places")
        return cls(normal if normal else 0)


Count = Annotated[int, Meta(ge=0, lt=MOST)]
Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Name = Annotated[str, Meta(max_length=200)]
Currency = Annotated[str, Meta(min_length=3, max_length=3)]
Status = Literal["ok", "error", "cancelled", "partial"]


class Wire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The manners of every wire form: unknown fields are errors, defaults are left out."""


class UsageCounts(Wire, kw_only=True):
    """Token counts as the provider reports them; they overlap, `normalize` makes them disjoint.

    `input_tokens` holds cached, cache-written, audio, image and video input too, unless
    `input_excludes_cache` says that the two cache classes stand beside it. `reasoning_tokens`
    and what is audio, image or video of the output are inside `output_tokens`. Cache writes are a
    count, or counts by lifetime: `{"5m": 0, "1h": 12}`.
    """

    cache_write_tokens: Count | dict[str, Count] | None = 0
    cached_input_audio_tokens: Count | None = 0
    cached_input_image_tokens: Count | None = 0
    cached_input_tokens: Count | None = 0
    input_audio_tokens: Count | None = 0
    input_excludes_cache: bool | None = False
    input_image_tokens: Count | None = 0
    input_tokens: Count | None = 0
    input_video_tokens: Count | None = 0
    output_audio_tokens: Count | None = 0
    output_image_tokens: Count | None = 0
    output_tokens: Count | None = 0
    output_video_tokens: Count | None = 0
    reasoning_tokens: Count | None = 0


class OutcomeSent(Wire, kw_only=True):
    """What came of the use, when it is already known."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    success: bool | None = None
    value: Exact | None = None


class ReportedCost(Wire, kw_only=True):
    """What the client believes the use cost; kept beside our figure, never used for it."""

    amount: Exact
    currency: Currency


class Draft(Wire, kw_only=True):
    """One event as sent. `decode` fills `source` from the header and settles nulls and zones.

    `raw_usage` is the provider's own usage object, which `raw.py` reads into `usage` and `meters`.
    """

    account: Name | None = None
    batch: bool | None = False
    credential: Name | None = None
    end_user: Name | None = None
    hold: UUID | None = None
    id: Identifier
    input_excludes_cache: bool | None = False
    meters: dict[str, Exact] | None = field(default_factory=dict)
    model: Name | None = None
    operation: Name | None = None
    outcome: OutcomeSent | None = None
    provider: Name | None = None
    raw_usage: dict[str, Any] | None = None
    region: Name | None = None
    reported_cost: ReportedCost | None = None
    service: Name | None = None
    service_tier: Name | None = None
    source: Identifier | None = None
    status: Status | None = "ok"
    tags: dict[str, str] | None = field(default_factory=dict)
    time: Annotated[datetime, Meta(tz=True)]
    trace_id: Name | None = None
    usage: UsageCounts | None = None


class SealedDraft(Draft, kw_only=True):
    """A draft that a door made of a payload of another form; `sealed` is that payload's digest.

    What such a payload means may be told otherwise later (a mapping changes, a provider's usage
    object is read better); that it is the same payload does not change. So the digest is taken
    over what was sent.
    """

    sealed: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an item cannot be taken: the field, a stable code, a message with the remedy."""

    field: str | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that cannot be taken, at its place in the batch."""

    index: int
    id: str | None
    problem: Problem


def read_exact(kind: type, sent: Any) -> Any:
    """Decode the types that the decoder does not know; its `dec_hook`."""
    if kind is Exact:
        return Exact.of(sent)
    raise NotImplementedError(kind)


def write_exact(value: Any) -> str:
    """Encode the types that the encoder does not know; its `enc_hook`."""
    if isinstance(value, Exact):
        return str(value)
    raise NotImplementedError(type(value))
