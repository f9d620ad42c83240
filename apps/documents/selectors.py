"""Questions about documents; answers are frozen values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO
from uuid import UUID

from apps.core.domain.canonical import digest_of
from apps.documents.adapters import rendering, storage
from apps.documents.domain.facts import (
    DocumentFacts,
    DocumentFile,
    IssueFacts,
    RenditionFacts,
    Subject,
)
from apps.documents.domain.states import (
    MEDIA_TYPES,
    DocumentAltered,
    DocumentMissing,
    Format,
    Kind,
    State,
)
from apps.documents.models import Document, Rendition

__all__ = [
    "DocumentFacts",
    "DocumentFile",
    "DocumentMissing",
    "Format",
    "RenditionFacts",
    "alterations",
    "document",
    "documents",
    "file_of",
    "kept_file",
    "laid_out",
    "locale_of",
    "open_kept",
    "renditions",
    "unrendered",
]

_NEUTRAL = "und"
"""Locale of formats that read the same in every language."""


def document(id: UUID) -> DocumentFacts:
    """Return a document by its public id; one query.

    :raises DocumentMissing: when there is none.
    """
    return document_facts(row_of(id))


def documents(ids: Iterable[UUID]) -> dict[UUID, DocumentFacts]:
    """Return documents by public id; unknown ids are left out; one query."""
    rows = Document.objects.filter(public_id__in=list(ids)).select_related("supersedes")
    return {row.public_id: document_facts(row) for row in rows}


def renditions(document: UUID) -> list[RenditionFacts]:
    """Return everything that was rendered of a document, oldest first; two queries."""
    rows = Rendition.objects.filter(document=row_of(document)).order_by("id")
    return [rendition_facts(row, document) for row in rows]


def file_of(*, document: UUID, format: Format, locale: str) -> DocumentFile:
    """Return a document as a file: the stored bytes when there are any, else drawn for reading.

    The first rendition is the record and is served for ever, whatever renders today. Nothing is
    stored here; `services.render` does that.

    :raises DocumentMissing: when there is no such document.
    :raises DocumentAltered: when the stored bytes or the content are not what was put on record.
    """
    row = row_of(document)
    name = f"{row.number or f'draft-{row.accounting_month}-{row.subject_code}'}.{format.value}"
    record = first_rendition(row, format, locale_of(format, locale))
    content = _stored(record) if record is not None else drawn(row, format, locale).content
    return DocumentFile(
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        media_type=MEDIA_TYPES[format],
        filename=name,
    )


def kept_file(*, key: str, sha256: str) -> bytes:
    """Return the bytes that `services.keep_file` stored.

    :raises StoredFileMissing: when there are none, or the key is another tenant's.
    :raises DocumentAltered: when they are not what was put on record.
    """
    content = storage.read(key)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DocumentAltered(f"The stored bytes of {key} are not what was put on record.")
    return content


def open_kept(*, key: str, sha256: str) -> BinaryIO:
    """Return a file that `services.keep_file` or `keep_stream` stored, to be read and closed.

    It is read once before, in pieces, to see that it is the one on record.

    :raises StoredFileMissing: when there is none, or the key is another tenant's.
    :raises DocumentAltered: when its bytes are not those on record.
    """
    if storage.digest_of(key) != sha256:
        raise DocumentAltered(f"The stored file {key} is not the one on record; call an operator.")
    return storage.opened(key)


def laid_out(*, document: UUID, locale: str) -> Mapping[str, Any]:
    """Return a document's content as the strings that its PDF prints; two queries.

    For pages: what a reader sees on the screen is then what is printed. The parts are those of the
    kind's layout.

    :raises DocumentMissing: when there is no such document.
    :raises LayoutMissing: when the kind has no layout.
    """
    return rendering.laid_out(_content(row_of(document)), locale=locale)


def unrendered(*, documents: Iterable[UUID], format: Format, locale: str) -> list[UUID]:
    """Return those of the documents that have no rendition on record yet; one query."""
    wanted = list(documents)
    kept = Rendition.objects.filter(
        document__public_id__in=wanted, format=format.value, locale=locale_of(format, locale)
    )
    done = set(kept.values_list("document__public_id", flat=True))
    return [id for id in wanted if id not in done]


def alterations() -> list[str]:
    """Check every sealed document: content against hash, bytes against record; name what differs.

    Reads everything; for `manage.py verify_documents`. Empty means intact.
    """
    found = []
    for row in Document.objects.filter(state=State.SEALED.value).order_by("id").iterator(200):
        if digest_of(row.payload) != row.data_hash:
            found.append(f"{row.number}: its content does not match its hash")
    records = Rendition.objects.order_by("id").iterator(200)
    return found + [fault for record in records for fault in _file_faults(record)]


def row_of(id: UUID) -> Document:
    """Return the row of a document, for this app's services.

    :raises DocumentMissing: when there is none.
    """
    row = Document.objects.select_related("supersedes").filter(public_id=id).first()
    if row is None:
        raise DocumentMissing("There is no such document.")
    return row


def first_rendition(row: Document, format: Format, locale: str) -> Rendition | None:
    """Return the rendition on record, for this app's services."""
    rows = Rendition.objects.filter(document=row, format=format.value, locale=locale)
    return rows.order_by("id").first()


def locale_of(format: Format, locale: str) -> str:
    """Return the locale under which a format is kept: tables read the same everywhere."""
    return locale.replace("_", "-")[:16] if format is Format.PDF else _NEUTRAL


def drawn(row: Document, format: Format, locale: str) -> rendering.Drawn:
    """Draw a document from its frozen content, for this app's services.

    :raises DocumentAltered: when the content does not match its hash.
    """
    if digest_of(row.payload) != row.data_hash:
        raise DocumentAltered("The content of this document does not match its hash.")
    return rendering.draw(_content(row), format=format, locale=locale)


def _content(row: Document) -> rendering.Content:
    return rendering.Content(
        kind=Kind(row.kind),
        payload=row.payload,
        data_hash=row.data_hash,
        issue=rendering.Issue(
            number=row.number or "",
            issued_at=row.issued_at,
            replaces=(row.supersedes.number or "") if row.supersedes else "",
            **row.issue,
        ),
    )


def document_facts(row: Document) -> DocumentFacts:
    """Return a row as a frozen value."""
    earlier = row.supersedes
    return DocumentFacts(
        id=row.public_id,
        kind=Kind(row.kind),
        month=row.accounting_month,
        subject=Subject(code=row.subject_code, name=row.subject_name),
        title=row.title,
        currency=row.currency,
        total=row.total,
        state=State(row.state),
        payload=row.payload,
        data_hash=row.data_hash,
        template_version=row.template_version,
        number=row.number or "",
        issued_at=row.issued_at,
        issue=IssueFacts(**row.issue) if row.issue else None,
        supersedes=earlier.public_id if earlier else None,
        supersedes_number=(earlier.number or "") if earlier else "",
        created_at=row.created_at,
    )


def rendition_facts(row: Rendition, document: UUID) -> RenditionFacts:
    """Return a row as a frozen value."""
    return RenditionFacts(
        document=document,
        format=Format(row.format),
        locale=row.locale,
        template_version=row.template_version,
        renderer=row.renderer,
        sha256=row.sha256,
        storage_key=row.storage_key,
        size=row.size,
        created_at=row.created_at,
    )


def _file_faults(record: Rendition) -> list[str]:
    try:
        content = storage.read(record.storage_key)
    except storage.StoredFileMissing:
        return [f"{record.storage_key}: the file is missing"]
    if hashlib.sha256(content).hexdigest() != record.sha256:
        return [f"{record.storage_key}: its bytes do not match the record"]
    return []


def _stored(record: Rendition) -> bytes:
    content = storage.read(record.storage_key)
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise DocumentAltered(
            f"The stored file {record.storage_key} is not the one on record; call an operator."
        )
    return content
