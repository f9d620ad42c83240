"""Rendering: the bytes of a sealed document, drawn once and kept."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.documents.adapters import rendering, storage
from apps.documents.domain.facts import RenditionFacts
from apps.documents.domain.states import (
    DocumentNotSealed,
    Format,
    RenditionDiffers,
    State,
)
from apps.documents.models import Document, Rendition
from apps.documents.selectors import drawn, first_rendition, locale_of, rendition_facts, row_of


def render(*, document: UUID, format: Format, locale: str, now: datetime) -> RenditionFacts:
    """Draw a sealed document, keep the bytes and return their record; the first one stays.

    Idempotent: once a format and locale are on record nothing is drawn again. Bytes are stored
    before the record is written, so that a crash between the two loses nothing.

    :raises DocumentNotSealed: when the document has no number yet.
    :raises DocumentAltered: when its content does not match its hash.
    """
    row = _sealed(document)
    kept = locale_of(format, locale)
    known = first_rendition(row, format, kept)
    if known is not None:
        return rendition_facts(known, document)
    fresh = drawn(row, format, locale)
    suffix = f"{kept}.{format.value}" if format is Format.PDF else format.value
    key = storage.put(
        month=row.accounting_month, name=str(row.number), suffix=suffix, content=fresh.content
    )
    return _recorded(row, format, kept, fresh=fresh, key=key, now=now)


def redraw(*, document: UUID, format: Format, locale: str) -> str:
    """Draw a document again and return the SHA-256, which must be that on record.

    :raises RenditionDiffers: when an equal renderer now gives other bytes than are on record.
    :raises DocumentNotSealed: when the document has no number yet.
    """
    row = _sealed(document)
    known = first_rendition(row, format, locale_of(format, locale))
    fresh = drawn(row, format, locale)
    digest = hashlib.sha256(fresh.content).hexdigest()
    alike = known is not None and (known.renderer, known.template_version) == (
        fresh.renderer,
        fresh.template_version,
    )
    if known is not None and alike and known.sha256 != digest:
        raise RenditionDiffers(f"{row.number} was drawn to other bytes than are on record.")
    return digest


def _sealed(document: UUID) -> Document:
    row = row_of(document)
    if row.state != State.SEALED.value:
        raise DocumentNotSealed("Only a sealed document is rendered for keeps.")
    return row


def _recorded(
    row: Document, format: Format, locale: str, *, fresh: rendering.Drawn, key: str, now: datetime
) -> RenditionFacts:
    """Write the record, or return the one that another worker wrote meanwhile."""
    with transaction.atomic():
        Rendition.objects.bulk_create(
            [
                Rendition(
                    document=row,
                    format=format.value,
                    locale=locale,
                    template_version=fresh.template_version,
                    renderer=fresh.renderer,
                    sha256=hashlib.sha256(fresh.content).hexdigest(),
                    storage_key=key,
                    size=len(fresh.content),
                    created_at=now,
                )
            ],
            ignore_conflicts=True,
        )
        record = first_rendition(row, format, locale)
    if record is None:
        raise RenditionDiffers(f"{key} is on record for another document.")
    return rendition_facts(record, row.public_id)
