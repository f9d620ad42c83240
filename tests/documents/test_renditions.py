"""Stored bytes are the record: drawn once, served for ever, never overwritten, per tenant."""

from __future__ import annotations

import hashlib
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.documents import selectors
from apps.documents import services as documents
from apps.documents.adapters import rendering, storage
from apps.documents.domain.states import (
    DocumentAltered,
    DocumentNotSealed,
    Format,
    RenditionDiffers,
)
from apps.documents.models import Document, Rendition
from tests.documents.drafts import NOW, OCTOBER, draft_october, seal


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path


def test_a_rendition_is_drawn_once_and_served(acme: Any, store: Path) -> None:
    document = draft_october()
    seal(document)
    kept = documents.render(document=document, format=Format.PDF, locale="en-US", now=NOW)
    assert kept.storage_key == "t_acme/documents/2026-10/STM-2026-10-0001.en-US.pdf"
    content = (store / kept.storage_key).read_bytes()
    assert content.startswith(b"%PDF-1.7")
    assert (kept.sha256, kept.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert documents.render(document=document, format=Format.PDF, locale="en-US", now=NOW) == kept
    served = selectors.file_of(document=document, format=Format.PDF, locale="en-US")
    assert (served.content, served.sha256) == (content, kept.sha256)
    assert served.filename == "STM-2026-10-0001.pdf"


@pytest.mark.parametrize("format", list(Format))
def test_drawing_again_gives_the_same_bytes(acme: Any, format: Format) -> None:
    document = draft_october()
    seal(document)
    kept = documents.render(document=document, format=format, locale="de-DE", now=NOW)
    assert documents.redraw(document=document, format=format, locale="de-DE") == kept.sha256


def test_tables_are_kept_once_whatever_the_locale(acme: Any) -> None:
    document = draft_october()
    seal(document)
    first = documents.render(document=document, format=Format.CSV, locale="de-DE", now=NOW)
    assert documents.render(document=document, format=Format.CSV, locale="fr", now=NOW) == first
    assert first.storage_key == "t_acme/documents/2026-10/STM-2026-10-0001.csv"


def test_the_first_rendition_stays_the_record_when_the_renderer_changes(
    acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = draft_october()
    seal(document)
    kept = documents.render(document=document, format=Format.CSV, locale="en", now=NOW)
    monkeypatch.setattr(rendering.spreadsheets, "FINGERPRINT_CSV", "csv/2")
    monkeypatch.setattr(rendering.spreadsheets, "csv_of", lambda sheet: b"another writer")
    assert documents.render(document=document, format=Format.CSV, locale="en", now=NOW) == kept
    served = selectors.file_of(document=document, format=Format.CSV, locale="en")
    assert served.sha256 == kept.sha256
    assert documents.redraw(document=document, format=Format.CSV, locale="en") != kept.sha256


def test_an_equal_renderer_with_other_bytes_is_an_alarm(
    acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = draft_october()
    seal(document)
    documents.render(document=document, format=Format.CSV, locale="en", now=NOW)
    monkeypatch.setattr(rendering.spreadsheets, "csv_of", lambda sheet: b"not repeatable")
    with pytest.raises(RenditionDiffers):
        documents.redraw(document=document, format=Format.CSV, locale="en")


def test_a_draft_is_shown_and_not_kept(acme: Any, store: Path) -> None:
    document = draft_october()
    with pytest.raises(DocumentNotSealed):
        documents.render(document=document, format=Format.PDF, locale="en", now=NOW)
    shown = selectors.file_of(document=document, format=Format.PDF, locale="en")
    assert shown.filename == "draft-2026-10-CC-4100.pdf"
    assert Rendition.objects.count() == 0
    assert list(store.rglob("*.*")) == []


def test_other_bytes_never_overwrite_a_file(acme: Any, store: Path) -> None:
    key = storage.put(month=OCTOBER, name="X-1", suffix="csv", content=b"one")
    assert storage.put(month=OCTOBER, name="X-1", suffix="csv", content=b"one") == key
    other = storage.put(month=OCTOBER, name="X-1", suffix="csv", content=b"two")
    assert other == f"t_acme/documents/2026-10/X-1.{hashlib.sha256(b'two').hexdigest()[:16]}.csv"
    assert (storage.read(key), storage.read(other)) == (b"one", b"two")
    assert len(list(store.rglob("*.csv"))) == 2


def test_a_changed_file_is_not_served(acme: Any, store: Path) -> None:
    document = draft_october()
    seal(document)
    kept = documents.render(document=document, format=Format.CSV, locale="en", now=NOW)
    (store / kept.storage_key).write_bytes(b"other")
    with pytest.raises(DocumentAltered):
        selectors.file_of(document=document, format=Format.CSV, locale="en")
    assert selectors.alterations() == [f"{kept.storage_key}: its bytes do not match the record"]


def test_a_lost_file_is_told(acme: Any, store: Path) -> None:
    document = draft_october()
    seal(document)
    kept = documents.render(document=document, format=Format.CSV, locale="en", now=NOW)
    (store / kept.storage_key).unlink()
    with pytest.raises(storage.StoredFileMissing):
        selectors.file_of(document=document, format=Format.CSV, locale="en")


def test_content_that_does_not_match_its_hash_is_not_drawn(acme: Any) -> None:
    document = draft_october()
    Document.objects.filter(public_id=document).update(payload={"total": "1"})
    with pytest.raises(DocumentAltered):
        selectors.file_of(document=document, format=Format.PDF, locale="en")


def test_another_tenants_file_is_not_read(globex: Any) -> None:
    default_storage.save("t_acme/documents/2026-10/secret.csv", ContentFile(b"secret"))
    with pytest.raises(storage.StoredFileMissing):
        storage.read("t_acme/documents/2026-10/secret.csv")


def test_records_of_renditions_only_grow(acme: Any) -> None:
    document = draft_october()
    seal(document)
    documents.render(document=document, format=Format.CSV, locale="en", now=NOW)
    for sql in (
        "UPDATE documents_rendition SET sha256 = repeat('0', 64)",
        "DELETE FROM documents_rendition",
        "TRUNCATE documents_rendition",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert selectors.renditions(document)[0].sha256 != "0" * 64


def test_the_command_names_what_was_altered(acme: Any, store: Path) -> None:
    document = draft_october()
    seal(document)
    kept = documents.render(document=document, format=Format.CSV, locale="en", now=NOW)
    out = StringIO()
    call_command("verify_documents", "acme", stdout=out)
    assert "as recorded" in out.getvalue()
    (store / kept.storage_key).unlink()
    err = StringIO()
    with pytest.raises(CommandError, match="1 document altered"):
        call_command("verify_documents", "acme", stderr=err)
    assert "the file is missing" in err.getvalue()


def test_what_waits_to_be_rendered_is_told_in_one_query(
    acme: Any, django_assert_num_queries: Any
) -> None:
    first, second = draft_october(code="A"), draft_october(code="B")
    seal(first, second)
    documents.render(document=second, format=Format.PDF, locale="en_US", now=NOW)
    with django_assert_num_queries(1):
        waiting = selectors.unrendered(documents=[first, second], format=Format.PDF, locale="en-US")
    assert waiting == [first]
