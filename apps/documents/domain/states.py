"""What a document can be and become."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from apps.core.domain.errors import Conflict, Missing


class Kind(StrEnum):
    """The documents of the platform; a roll-up charges nothing."""

    STATEMENT = "statement"
    ROLLUP = "rollup"
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class State(StrEnum):
    """A draft may be changed, sealed or given up; sealed and void are for ever."""

    DRAFT = "draft"
    SEALED = "sealed"
    VOID = "void"


class Format(StrEnum):
    """What a document is rendered to."""

    PDF = "pdf"
    CSV = "csv"
    XLSX = "xlsx"


FINAL: Final = (State.SEALED, State.VOID)

MEDIA_TYPES: Final = {
    Format.PDF: "application/pdf",
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class DocumentMissing(Missing):
    """There is no such document."""

    default_code = "document_not_found"


class DocumentNotDraft(Conflict):
    """The document was sealed or given up and cannot change any more."""

    default_code = "document_not_draft"


class DocumentNotSealed(Conflict):
    """Only a sealed document has renditions that are kept."""

    default_code = "document_not_sealed"


class DocumentAltered(Conflict):
    """The stored content does not match the hash that was taken of it."""

    default_code = "document_altered"


class RenditionDiffers(Conflict):
    """Equal input and an equal renderer gave other bytes than are on record."""

    default_code = "rendition_differs"
