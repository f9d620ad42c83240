"""Writes everything that a tenant owns into one archive, as of one moment."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django_tenants.utils import schema_context

from apps.audit import selectors as audit
from apps.audit import services as audits
from apps.core.domain.access import Actor
from apps.core.domain.errors import Conflict
from apps.tenants import selectors as tenants

_CHUNK: Final = 1024 * 1024
_SECRET_TABLES: Final = frozenset({"django_session"})
_SECRET_COLUMNS: Final = frozenset({"password", "key_hash", "secret", "person_key"})
_TABLES: Final = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition
 GROUP BY c.relname ORDER BY c.relname
"""


class ArchiveExists(Conflict):
    """A file of that name is there already; nothing is overwritten."""

    default_code = "archive_exists"


@dataclass(frozen=True, slots=True)
class Archive:
    """What was written: tables with their rows, and files."""

    path: Path
    tables: int
    rows: int
    files: int


def export_tenant(*, slug: str, path: Path, actor: Actor, now: datetime) -> Archive:
    """Write a tenant's tables as CSV and its stored files into a ZIP archive.

    All tables are read in one snapshot. `manifest.json` names every member with its rows and its
    SHA-256, and the head of the audit chain. Left out are sessions and whatever proves who somebody
    is: hashes of passwords and keys, secrets. Memory does not grow with the data.

    :raises ArchiveExists: when there is a file at `path`.
    :raises TenantMissing: when there is no such tenant.
    """
    tenant = tenants.by_slug(slug=slug)
    if path.exists():
        raise ArchiveExists(f"{path} exists; name another file, or remove it.")
    partial = path.with_name(f"{path.name}.partial")
    try:
        with schema_context(tenant.schema):
            archive = _write(tenant, partial, path, now)
            audits.record(
                actor=actor,
                action="tenant.exported",
                subject="tenant",
                subject_id=tenant.slug,
                detail={"tables": archive.tables, "rows": archive.rows, "files": archive.files},
                at=now,
            )
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return archive


def _write(tenant: tenants.TenantFacts, partial: Path, path: Path, now: datetime) -> Archive:
    members: list[dict[str, Any]] = []
    with zipfile.ZipFile(partial, "x", zipfile.ZIP_DEFLATED, allowZip64=True) as bundle:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for table, columns in _tables(tenant.schema):
                members.append(_table(bundle, tenant.schema, table, columns))
            head = audit.head()
        members += [_file(bundle, key) for key in _files(tenant.schema)]
        bundle.writestr("manifest.json", _manifest(tenant, members, head, now))
    rows = sum(one.get("rows", 0) for one in members)
    tables = sum("rows" in one for one in members)
    return Archive(path, tables, rows, len(members) - tables)


def _tables(schema: str) -> list[tuple[str, list[str]]]:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [schema])
        found = cursor.fetchall()
    return [
        (table, [name for name in columns if name not in _SECRET_COLUMNS])
        for table, columns in found
        if table not in _SECRET_TABLES
    ]


def _table(
    bundle: zipfile.ZipFile, schema: str, table: str, columns: Sequence[str]
) -> dict[str, Any]:
    quoted = connection.ops.quote_name
    named = ", ".join(map(quoted, columns))
    query = (
        f"COPY (SELECT {named} FROM {quoted(schema)}.{quoted(table)}) TO STDOUT "  # noqa: S608
        "WITH (FORMAT csv, HEADER)"
    )
    name = f"tables/{table}.csv"
    seal = hashlib.sha256()
    with connection.cursor() as cursor, bundle.open(name, "w", force_zip64=True) as member:
        with cursor.copy(query) as copied:
            for part in copied:
                seal.update(part)
                member.write(part)
        rows = cursor.rowcount
    return {"name": name, "rows": rows, "sha256": seal.hexdigest()}


def _files(schema: str, folder: str = "") -> Iterator[str]:
    """Yield the keys of all stored files of a schema, in order."""
    folder = folder or schema
    if not default_storage.exists(folder):
        return
    folders, names = default_storage.listdir(folder)
    for name in sorted(names):
        yield f"{folder}/{name}"
    for name in sorted(folders):
        yield from _files(schema, f"{folder}/{name}")


def _file(bundle: zipfile.ZipFile, key: str) -> dict[str, Any]:
    name = f"files/{key.partition('/')[2]}"
    seal = hashlib.sha256()
    stored: IO[bytes]
    with default_storage.open(key, "rb") as stored, bundle.open(name, "w") as member:
        while part := stored.read(_CHUNK):
            seal.update(part)
            member.write(part)
    return {"name": name, "sha256": seal.hexdigest()}


def _manifest(
    tenant: tenants.TenantFacts, members: list[dict[str, Any]], head: Any, now: datetime
) -> str:
    facts = {
        "slug": tenant.slug,
        "name": tenant.name,
        "currency": tenant.currency,
        "timezone": str(tenant.timezone),
        "locale": tenant.locale,
    }
    chain = {"sequence": head.sequence, "hash": head.hash}
    body = {"exported_at": now, "tenant": facts, "audit_head": chain, "members": members}
    return json.dumps(body, indent=1, default=str)
