"""What other apps know of documents: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.core.domain.months import Month
from apps.documents.domain.states import Format, Kind, State


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDraft:
    """One printed line of a draft; `facts` is the line as printed, in JSON's types."""

    position: int
    key: str
    section: str
    heading: str
    exact: Decimal
    amount: Decimal
    facts: Mapping[str, Any]
    quantity: Decimal | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a document is for: a cost center or a customer."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFacts:
    """What the seal adds: who prepared, who approved, and the audit chain's head before it."""

    prepared_by: str
    approved_by: str
    audit_sequence: int
    audit_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """A document with its content."""

    id: UUID
    kind: Kind
    month: Month
    subject: Subject
    title: str
    currency: str
    total: Decimal
    state: State
    payload: Mapping[str, Any]
    data_hash: str
    template_version: str
    number: str
    issued_at: datetime | None
    issue: IssueFacts | None
    supersedes: UUID | None
    supersedes_number: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionFacts:
    """Stored bytes of a document: what they are and where they lie."""

    document: UUID
    format: Format
    locale: str
    template_version: str
    renderer: str
    sha256: str
    storage_key: str
    size: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFile:
    """A file to hand out; `sha256` is its strong entity tag. Drafts have no number in the name."""

    content: bytes
    sha256: str
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Where bytes lie in the store, with their digest; `size` in bytes."""

    key: str
    sha256: str
    size: int
