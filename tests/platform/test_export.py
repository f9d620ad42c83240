"""The export of a tenant: everything of it, nothing of another, no secrets, one moment."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django_tenants.utils import schema_context

from apps.audit import selectors as audit
from apps.core.domain.access import Role, Scope
from tests.accounts.people import person, service_key
from tests.ingest.factories import event, send


@pytest.fixture
def archive(fresh_tenant: Any, settings: Any, tmp_path: Path) -> dict[str, bytes]:
    """Export a tenant with people, a key, three events and a file, and give the members."""
    backend = "django.core.files.storage.FileSystemStorage"
    place = {"BACKEND": backend, "OPTIONS": {"location": str(tmp_path / "store")}}
    settings.STORAGES = {**settings.STORAGES, "default": place}
    person(Role.FINANCE)
    service_key(Scope.USAGE_WRITE)
    send([event("a"), event("b"), event("c")])
    default_storage.save(f"{fresh_tenant.schema}/documents/2026-01/one.pdf", ContentFile(b"%PDF"))
    default_storage.save("t_other/documents/2026-01/theirs.pdf", ContentFile(b"secret"))
    path = tmp_path / "out.zip"
    said = io.StringIO()
    call_command("export_tenant", fresh_tenant.slug, output=path, stdout=said)
    assert "1 files" in said.getvalue()
    with pytest.raises(CommandError, match="exists; name another file"):
        call_command("export_tenant", fresh_tenant.slug, output=path)
    assert not list(tmp_path.glob("*.partial"))
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def rows(archive: dict[str, bytes], table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive[f"tables/{table}.csv"].decode())))


def test_the_archive(archive: dict[str, bytes], fresh_tenant: Any) -> None:
    assert [row["event_id"] for row in rows(archive, "usage_event")] == ["a", "b", "c"]
    assert len(rows(archive, "usage_eventkey")) == 3
    assert archive["files/documents/2026-01/one.pdf"] == b"%PDF"
    assert not any("theirs" in name for name in archive)
    manifest = json.loads(archive["manifest.json"])
    assert manifest["tenant"]["slug"] == fresh_tenant.slug
    named = {one["name"]: one for one in manifest["members"]}
    assert named.keys() == archive.keys() - {"manifest.json"}
    for name, one in named.items():
        assert one["sha256"] == hashlib.sha256(archive[name]).hexdigest()
    assert named["tables/usage_event.csv"]["rows"] == 3


def test_secrets_stay_at_home(archive: dict[str, bytes]) -> None:
    assert "tables/django_session.csv" not in archive
    (key,) = rows(archive, "accounts_apikey")
    assert "key_hash" not in key
    assert key["name"] == "robot"
    assert all("password" not in row for row in rows(archive, "accounts_user"))


def test_it_is_audited_and_an_unknown_tenant_is_refused(
    archive: dict[str, bytes], fresh_tenant: Any, tmp_path: Path
) -> None:
    with schema_context(fresh_tenant.schema):
        (entry,) = audit.history(subject="tenant", subject_id=fresh_tenant.slug)[-1:]
    assert entry.action == "tenant.exported"
    with pytest.raises(CommandError):
        call_command("export_tenant", "nobody", output=tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()
