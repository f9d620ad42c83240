"""Tells which spans are uses of a model, and what each of them used.

A span around others (an agent, a workflow, a framework's own span of the same call) carries their
totals: these are kept beside and never counted (rule 27).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from apps.ingest.domain.genai_names import (
    COSTS,
    COUNTS,
    END_USER,
    INFERENCE,
    INFERENCE_KINDS,
    KIND,
    MODEL,
    OPERATION,
    PREFIXES,
    PROVIDER,
    PROVIDERS,
    REPEATED,
    RESPONSE,
    TIER,
)
from apps.ingest.domain.spans import ERROR, Span
from apps.ingest.domain.translated import (
    STANDARD_TAGS,
    NotTranslated,
    Taken,
    Translated,
    first_text,
    money,
    rejected,
    sealed_draft,
    since_epoch,
    tags_of,
)
from apps.usage.domain.drafts import MOST
from apps.usage.domain.sent_usage import charges_images_apart, meter_of

DOOR: Final = "otlp"
SPAN: Final = "span"
"""Where an event's raw usage says which span it was: later requests may bring what is around."""

UNREPORTED: Final = "unreported_calls"
"""The meter of a use whose span tells no tokens: it has no price, so nobody takes it for free."""

_ASSOCIATED: Final = "traceloop.association.properties."
_OWN_TAG: Final = "finops.tag."
_NOT_LABELS: Final = re.compile(r"(^|_|\.)(id|session|conversation|thread|email)$|_id$")
_BEDROCK_REGION: Final = re.compile(r"bedrock[\w-]*\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
_STANDARD_TIERS: Final = frozenset({"", "default", "standard", "auto"})
_BESIDE: Final = frozenset({"anthropic", "bedrock"})
_NO_ID: Final = re.compile(r"0*")
_NO_NAME: Final = "A span has ids of trace and span in hex, and whole numbers as times and counts."
_MOST_COUNTS: Final = 64
_COST_FIELD: Final = "USD"


@dataclass(frozen=True, slots=True)
class Total:
    """What a span says of the spans inside it; kept beside the events."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    counts: dict[str, int]


@dataclass(slots=True)
class Traced:
    """What became of the spans of a request: uses, totals of others, and all the rest."""

    taken: Taken = field(default_factory=Taken)
    totals: list[Total] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stored:
    """What earlier requests brought of the same traces.

    `inner` holds when the spans began that are stored as events and began in a span, `outer` when
    the spans ended that are stored; both by the span's id, in nanoseconds.
    """

    inner: Mapping[str, Sequence[int]] = field(default_factory=dict)
    outer: Mapping[str, int] = field(default_factory=dict)

    def tells(self, span: Span) -> bool:
        """Tell whether a use is stored already, by a span inside or around this one."""
        inside = any(span.start <= began < span.end for began in self.inner.get(span.id, ()))
        return inside or span.start < self.outer.get(f"{span.trace_id}:{span.parent_id}", 0)


NOTHING_STORED: Final = Stored()


def related(spans: Sequence[Span]) -> tuple[list[str], list[tuple[str, str]]]:
    """Return what to ask of earlier requests: ids of uses, and (source, id) of what is around."""
    uses = [span for span in spans if _is_inference(span)]
    here = {span.id for span in spans}
    around = {(_source(span), f"{span.trace_id}:{span.parent_id}") for span in uses}
    return (
        sorted({span.id for span in uses}),
        sorted(name for name in around if name[1] not in here and name[1][-1:] != ":"),
    )


def read_spans(spans: Sequence[Span], stored: Stored = NOTHING_STORED) -> Traced:
    """Return the uses of models among spans, and the totals that stand around them."""
    traced = Traced()
    outer = _around_others(spans)
    outer |= {span.id for span in spans if _is_inference(span) and stored.tells(span)}
    for index, span in enumerate(spans):
        if not _is_inference(span) or span.id in outer:
            traced.taken.ignored += 1
            if counts := _counts(span):
                traced.totals.append(_total(span, counts))
            continue
        place = len(traced.taken.drafts)
        try:
            draft = sealed_draft(_translate(span), door=DOOR, index=place)
        except NotTranslated as refused:
            draft = rejected(refused, place)
        traced.taken.add(draft, place=index)
    return traced


def _is_inference(span: Span) -> bool:
    """Tell whether a span is one use of a model.

    Where it names no operation, it is one when it names a model and tokens.
    """
    kind = span.text(*KIND).lower()
    if kind:
        return kind in INFERENCE_KINDS
    operation = span.text(*OPERATION).lower()
    if operation:
        return operation in INFERENCE
    return bool(span.text(*MODEL) and _counts(span))


def _around_others(spans: Sequence[Span]) -> set[str]:
    """Return the ids of inference spans that are told by another one as well.

    A span that began inside another is a part of it: the outer one carries its totals. Two tools
    that watched one call (the same response) tell it twice: the one that tells more classes of
    tokens is taken. A parent that had ended before is none: contexts leak.
    """
    inferences = {span.id: span for span in spans if _is_inference(span)}
    by_id = {span.id: span for span in spans}
    pairs = [
        (span, inferences[above])
        for span in inferences.values()
        for above in [next((i for i in _enclosing(span, by_id) if i in inferences), "")]
        if above
    ]
    told_better = {outer.id for inner, outer in pairs if _tells_more(outer, inner)}
    return {
        inner.id if _tells_more(outer, inner) else outer.id
        for inner, outer in pairs
        if _tells_more(outer, inner) or outer.id not in told_better
    }


def _tells_more(outer: Span, inner: Span) -> bool:
    """Tell whether both are one call, and the outer one tells more of its tokens."""
    more = len(_counts(outer)) > len(_counts(inner))
    return more and (_same_call(inner, outer) or not _counts(inner))


def _enclosing(span: Span, by_id: Mapping[str, Span]) -> Iterable[str]:
    """Yield the ids of the spans that a span began in, from the inside out."""
    seen, inner = {span.id}, span
    while True:
        outer = by_id.get(f"{inner.trace_id}:{inner.parent_id}")
        if outer is None or outer.id in seen or not outer.start <= inner.start < outer.end:
            return
        yield outer.id
        seen.add(outer.id)
        inner = outer


def _same_call(one: Span, other: Span) -> bool:
    response = one.text(RESPONSE)
    return bool(response) and response == other.text(RESPONSE)


def _translate(span: Span) -> Translated:
    if _NO_ID.fullmatch(span.trace_id) or _NO_ID.fullmatch(span.span_id):
        raise NotTranslated("spanId", "missing", _NO_NAME)
    model = span.text(*MODEL)
    if not model:
        raise NotTranslated(
            "gen_ai.request.model",
            "missing",
            f"The span {span.name[:80]!r} names no model; set gen_ai.request.model.",
            id=span.id,
        )
    sent = span.text(*PROVIDER).lower()
    provider = PROVIDERS.get(sent, sent) or "unknown"
    usage, meters = _usage(span, provider, model)
    tier = span.text(*TIER)
    fields: dict[str, Any] = {
        "id": span.id,
        "source": _source(span),
        "time": _moment(span),
        "provider": provider,
        "model": model,
        "service_tier": None if tier.lower() in _STANDARD_TIERS else tier,
        "region": _region(span),
        "operation": _operation(span),
        "usage": usage,
        "meters": meters,
        "status": "error" if span.status == ERROR else "ok",
        "trace_id": span.trace_id,
        "end_user": first_text(span.first(*END_USER))[:200] or None,
        "tags": _tags(span),
        "reported_cost": _cost(span),
    }
    known_by = {
        "start": span.start,
        "status": span.status,
        "model": model,
        "provider": sent,
        "counts": _counts(span),
    }
    present = {name: value for name, value in fields.items() if value}
    place = {
        "parent": f"{span.trace_id}:{span.parent_id}" if span.parent_id else None,
        "began": span.start,
        "ended": span.end,
    }
    raw = {**_counts(span), SPAN: place}
    return Translated(present | {"usage": usage}, known_by, raw=raw)


def _source(span: Span) -> str:
    found = first_text(
        span.resource.get("service.name"), span.resource.get("service.instance.id"), DOOR
    )
    return found.encode()[:200].decode(errors="ignore")


def _moment(span: Span) -> Any:
    """Return the start of a use: the price holds that was in force then."""
    nanos = span.start or span.end
    try:
        if nanos <= 0:
            raise OverflowError
        return since_epoch(nanos // 1000, unit=1_000_000)
    except OverflowError:
        raise NotTranslated(
            "startTimeUnixNano", "time", "The span has no time of this calendar.", id=span.id
        ) from None


def _operation(span: Span) -> str:
    named = span.text(*OPERATION).lower()
    return INFERENCE.get(named, named or "chat")[:200]


def _region(span: Span) -> str | None:
    found = _BEDROCK_REGION.search(span.text("server.address"))
    return found[1] if found else None


def _cost(span: Span) -> dict[str, str] | None:
    amount = money(span.first(*COSTS))
    return None if amount is None else {"amount": amount, "currency": _COST_FIELD}


def _usage(span: Span, provider: str, model: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return token counts, and what is counted under names that nobody knows.

    `input` holds what was cached and written (semantic conventions), unless the total or, with
    providers that count them beside, the size of the parts says otherwise. Images and video of a
    prompt are taken out of it where the model charges them apart.
    """
    counts = _counts(span)
    part = {kind: _count_of(kind, counts, span) for kind in COUNTS}
    if not counts:
        meters = {} if span.status == ERROR else {UNREPORTED: "1"}
        return {"input_tokens": 0}, meters
    usage = {
        "input_tokens": part["input"],
        "cached_input_tokens": part["cached"],
        "cache_write_tokens": part["written"],
        "input_audio_tokens": part["input_audio"],
        "cached_input_audio_tokens": part["cached_audio"],
        "output_tokens": part["output"],
        "output_audio_tokens": part["output_audio"],
        "output_image_tokens": part["output_image"],
        "reasoning_tokens": part["reasoning"],
        "input_excludes_cache": _is_beside(part, provider),
    }
    if charges_images_apart(model):
        usage["input_image_tokens"] = part["input_image"]
        usage["input_video_tokens"] = part["input_video"]
    known = {name for names in COUNTS.values() for name in names} | REPEATED
    unknown = {_meter(name): str(count) for name, count in counts.items() if name not in known}
    return {name: value for name, value in usage.items() if value}, unknown


def _is_beside(part: dict[str, int], provider: str) -> bool:
    cache = part["cached"] + part["written"]
    if cache and part["total"] == part["input"] + part["output"] + cache:
        return True
    return cache > part["input"] and provider in _BESIDE


def _counts(span: Span) -> dict[str, int]:
    """Return the token counts of a span by their own names, without zeros; 64 at most."""
    found = {
        name: value
        for name, value in span.attributes.items()
        if name.startswith(PREFIXES)
        and "token" in name
        and isinstance(value, int)
        and not isinstance(value, bool)
        and 0 < value < MOST
    }
    return dict(islice(found.items(), _MOST_COUNTS))


def _count_of(kind: str, counts: dict[str, int], span: Span) -> int:
    """Return the one count of a kind, whichever names it came under.

    :raises NotTranslated: when two names of it differ.
    """
    found = {counts[name] for name in COUNTS[kind] if name in counts}
    if len(found) > 1:
        names = ", ".join(name for name in COUNTS[kind] if name in counts)
        raise NotTranslated(
            names.partition(",")[0],
            "contradiction",
            f"{names} name the same count and differ.",
            id=span.id,
        )
    return found.pop() if found else 0


def _meter(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return meter_of(name)


def _tags(span: Span) -> dict[str, str]:
    """Return tags: those named for us, association properties, then what the resource tells."""
    both = (span.attributes, span.resource)
    named = [
        (key, first_text(*(where.get(f"{before}{key}") for where in both for before in _BEFORE)))
        for key in STANDARD_TAGS
    ]
    own = [
        (name.removeprefix(_OWN_TAG), value)
        for where in both
        for name, value in where.items()
        if name.startswith(_OWN_TAG)
    ]
    rest = [
        ("environment", _of(span, "deployment.environment.name", "deployment.environment")),
        ("service", span.resource.get("service.name")),
        ("agent", span.text("gen_ai.agent.name")),
        ("workflow", span.text("gen_ai.workflow.name", "traceloop.workflow.name")),
    ]
    return tags_of([*named, *own, *_associated(span), *rest])


_BEFORE: Final = ("finops.", "", _ASSOCIATED)
"""What may stand before team, product and the like."""


def _associated(span: Span) -> Iterable[tuple[str, Any]]:
    """Yield association properties that are labels; ids of people and sessions are none."""
    for name, value in span.attributes.items():
        key = name.removeprefix(_ASSOCIATED)
        if key != name and not _NOT_LABELS.search(key):
            yield key, value


def _of(span: Span, *names: str) -> str:
    return span.text(*names) or first_text(*(span.resource.get(name) for name in names))


def _total(span: Span, counts: dict[str, int]) -> Total:
    return Total(span.trace_id, span.span_id, span.parent_id, span.name[:200], counts)
