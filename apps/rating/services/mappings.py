"""Recording, ending and withdrawing what sent models mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Invalid
from apps.rating.domain.mapping import Meaning
from apps.rating.domain.prices import FOREVER
from apps.rating.models import ContractPrice, ModelMapping
from apps.rating.selectors.mappings import MappingUnknown, catalogue_name, sent_name
from apps.rating.services.versions import next_knowledge

_CONTROL = {chr(code) for code in (*range(32), 127)}


class MappingNotValid(Invalid):
    """A mapping has wrong fields."""

    default_code = "mapping_not_valid"


class MappingOverlaps(Conflict):
    """The sent model means something already at some of the same time."""

    default_code = "mapping_overlap"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingDraft:
    """What a sent model is to mean: a model that the catalogue or a contract price knows."""

    sent_provider: str
    sent_model: str
    provider: str
    model: str
    valid_from: datetime
    valid_to: datetime | None = None
    note: str = ""

    def meaning(self) -> Meaning:
        """Return a settled draft as a book looks it up."""
        return Meaning(
            self.sent_provider,
            self.sent_model,
            self.provider,
            self.model,
            self.valid_from,
            self.valid_to or FOREVER,
        )


def settled(draft: MappingDraft) -> MappingDraft:
    """Return the draft under the names by which usage is looked up.

    :raises MappingNotValid: when a field cannot be right; names each.
    :raises MappingOverlaps: when the sent model means something already at some of that time.
    """
    _refuse(_faults(draft))
    sent = sent_name(provider=draft.sent_provider, model=draft.sent_model)
    meant = catalogue_name(provider=draft.provider, model=draft.model)
    if meant is None and _is_contracted(draft.provider, draft.model):
        meant = draft.provider.strip().lower(), draft.model
    if meant is None:
        text = "No list or contract price knows that model; choose one that has prices."
        _refuse([FieldError("model", "unknown", text)])
    assert meant is not None
    if sent == meant:
        _refuse([FieldError("model", "same", "A model need not be said to be itself.")])
    found = MappingDraft(
        sent_provider=sent[0],
        sent_model=sent[1],
        provider=meant[0],
        model=meant[1],
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        note=draft.note.strip(),
    )
    _refuse_overlap(found)
    return found


def record_mapping(*, draft: MappingDraft, actor: Actor, now: datetime) -> UUID:
    """Record what a sent model means; return the mapping's public id.

    It prices nothing until the version that knows it is adopted; the caller above usage does both
    in one transaction (`ingest.services.map_model`).

    :raises MappingNotValid: when a field cannot be right.
    :raises MappingOverlaps: when the sent model means something already at some of that time.
    """
    actor.require(Scope.PRICES_WRITE)
    with transaction.atomic():
        known_at = next_knowledge(now)
        draft = settled(draft)
        row = _insert(
            ModelMapping(
                sent_provider=draft.sent_provider,
                sent_model=draft.sent_model,
                provider=draft.provider,
                model=draft.model,
                valid_from=draft.valid_from,
                valid_to=draft.valid_to,
                known_from=known_at,
                note=draft.note,
                created_by=actor.label,
            )
        )
        _record("recorded", row, {}, actor, now)
    return row.public_id


def end_mapping(*, mapping: UUID, valid_to: datetime, actor: Actor, now: datetime) -> UUID:
    """End a mapping at a moment; return the id of the row that now says so.

    :raises MappingNotValid: when the end is not after the beginning and before the present end.
    :raises MappingUnknown: when no such mapping stands.
    """
    actor.require(Scope.PRICES_WRITE)
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = _standing(mapping)
        if valid_to <= row.valid_from or (row.valid_to is not None and valid_to >= row.valid_to):
            text = "End it after it began, before its present end."
            _refuse([FieldError("valid_to", "order", text)])
        _forget(row, known_at)
        ended = _insert(_ended(row, valid_to, known_at, actor))
        _record("ended", ended, {"was": row.public_id}, actor, now)
    return ended.public_id


def withdraw_mapping(*, mapping: UUID, reason: str, actor: Actor, now: datetime) -> None:
    """Stop believing a mapping that was made in error, from its beginning on; it stays on record.

    :raises MappingNotValid: when no reason is given.
    :raises MappingUnknown: when no such mapping stands.
    """
    actor.require(Scope.PRICES_WRITE)
    if not reason.strip() or "\x00" in reason:
        _refuse([FieldError("reason", "required", "Say in plain text why it was wrong.")])
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = _standing(mapping)
        _forget(row, known_at)
        _record("withdrawn", row, {"reason": reason.strip()[:500]}, actor, now)


def _faults(draft: MappingDraft) -> list[FieldError]:
    found = [
        FieldError(field, "invalid", f"Write 1 to {most} characters, as usage names it.")
        for field, text, most, needed in (
            ("sent_provider", draft.sent_provider, 200, False),
            ("sent_model", draft.sent_model, 200, True),
            ("provider", draft.provider, 64, False),
            ("model", draft.model, 200, True),
            ("note", draft.note, 500, False),
        )
        if len(text) > most or (needed and not text.strip()) or _CONTROL.intersection(text)
    ]
    for field, at in (("valid_from", draft.valid_from), ("valid_to", draft.valid_to)):
        if at is not None and (at.tzinfo is None or not 2000 <= at.year < 9000):
            text = "Write a moment with its offset, from the year 2000 on."
            found.append(FieldError(field, "datetime", text))
    if not found and draft.valid_to is not None and draft.valid_to <= draft.valid_from:
        found.append(FieldError("valid_to", "order", "End the mapping after it begins."))
    return found


def _refuse(faults: list[FieldError]) -> None:
    if faults:
        raise MappingNotValid(faults[0].message, errors=tuple(faults))


def _is_contracted(provider: str, model: str) -> bool:
    return ContractPrice.objects.filter(
        provider=provider.strip().lower(), model=model, known_to__isnull=True
    ).exists()


def _refuse_overlap(draft: MappingDraft) -> None:
    rows = ModelMapping.objects.filter(
        sent_provider=draft.sent_provider, sent_model=draft.sent_model, known_to__isnull=True
    )
    rows = rows.exclude(valid_to__lte=draft.valid_from)
    if draft.valid_to is not None:
        rows = rows.filter(valid_from__lt=draft.valid_to)
    other = rows.first()
    if other is not None:
        raise MappingOverlaps(_overlap(draft, f"{other.provider} {other.model}".strip()))


def _overlap(draft: MappingDraft | ModelMapping, other: str) -> str:
    return (
        f"At some of this time {draft.sent_model} means {other} already. End or withdraw that "
        "mapping first."
    )


def _insert(row: ModelMapping) -> ModelMapping:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "rating_modelmapping_no_overlap" not in str(error):
            raise
        raise MappingOverlaps(_overlap(row, "something")) from error
    return row


def _standing(mapping: UUID) -> ModelMapping:
    row = ModelMapping.objects.filter(public_id=mapping, known_to__isnull=True).first()
    if row is None:
        raise MappingUnknown(f"There is no mapping {mapping} that stands now.")
    return row


def _forget(row: ModelMapping, known_at: datetime) -> None:
    ModelMapping.objects.filter(pk=row.pk).update(known_to=known_at)


def _ended(row: ModelMapping, valid_to: datetime, known_at: datetime, actor: Actor) -> ModelMapping:
    return ModelMapping(
        sent_provider=row.sent_provider,
        sent_model=row.sent_model,
        provider=row.provider,
        model=row.model,
        valid_from=row.valid_from,
        valid_to=valid_to,
        known_from=known_at,
        note=row.note,
        created_by=actor.label,
        replaces=row,
    )


def _record(
    verb: str, row: ModelMapping, more: dict[str, object], actor: Actor, now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=f"model_mapping.{verb}",
        subject="model_mapping",
        subject_id=str(row.public_id),
        detail={
            "sent": [row.sent_provider, row.sent_model],
            "means": [row.provider, row.model],
            "valid_from": row.valid_from,
            "valid_to": row.valid_to,
            "note": row.note,
            **more,
        },
        at=now,
    )
