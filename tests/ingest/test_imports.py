"""Files of events: CSV, lines and Parquet through the one path; FOCUS bills through the costs'."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from pyarrow import parquet

from apps.core.domain.access import Scope
from apps.ingest import services as ingest
from apps.ingest.domain.rows import event_of
from apps.ingest.models import Import
from apps.usage import services as usage
from apps.usage.models import Event, EventKey, Rollup
from tests.accounts.people import bearer, service_key
from tests.ingest.factories import NOW, WRITER, event

CSV = (
    "id,source,time,provider,model,input_tokens,usage.cached_input_tokens,output_tokens,batch,"
    "tags.team,tag:feature,meter:pages,usage.cache_write_tokens.5m,status\r\n"
    "a,file,2026-01-15T10:00:00Z,testco,tiny,1200,800,300,false,search,sum,2.5,10,ok\r\n"
    "b,file,2026-01-15T10:00:00+02:00,testco,tiny,5,,1,true,,,,,\r\n"
    "bad,file,2026-01-15T10:00:00Z,testco,tiny,-5,,1,,,,,,\r\n"
    "short,file\r\n"
)


def run(name: str, content: bytes, **fields: Any) -> list[tuple[int, ingest.Receipt]]:
    upload = ingest.Upload(name=name, file=io.BytesIO(content), size=len(content), **fields)
    parts = ingest.import_events(upload=upload, actor=WRITER, clock=lambda: NOW)
    return [(stored.part.rows, stored.receipt) for stored in parts]


def test_csv(acme: Any) -> None:
    ((rows, receipt),) = run("usage.csv", CSV.encode("utf-8-sig"))
    assert (rows, receipt.accepted, receipt.rejected) == (4, 2, 2)
    assert [(e.index, e.id, e.field) for e in receipt.errors] == [
        (2, "bad", "usage.input_tokens"),
        (3, None, None),
    ]
    stored = {row.event_id: row for row in Event.objects.all()}
    assert stored["a"].meters == {
        "input_tokens": 390,
        "cached_input_tokens": 800,
        "cache_write_5m_tokens": 10,
        "output_tokens": 300,
        "pages": 2.5,
    }
    assert stored["b"].occurred_at == datetime(2026, 1, 15, 8, tzinfo=UTC)
    ((_, again),) = run("usage.csv.gz", gzip.compress(CSV.encode()))
    assert (again.accepted, again.duplicates) == (0, 2)


def test_lines_may_be_the_same_events_as_the_api(acme: Any) -> None:
    lines = "\n".join([json.dumps(event("a")), "nonsense", json.dumps(event("b", source=None))])
    ((rows, receipt),) = run("usage.jsonl", lines.encode(), source="from-flag")
    assert (rows, receipt.accepted, receipt.rejected) == (3, 2, 1)
    assert {key.source for key in EventKey.objects.all()} == {"gateway", "from-flag"}


def test_parquet(acme: Any) -> None:
    table = arrow.table(
        {
            "id": ["a", "b"],
            "source": ["pq", "pq"],
            "time": arrow.array([NOW, NOW], arrow.timestamp("us", tz="UTC")),
            "provider": ["testco", "testco"],
            "model": ["tiny", "tiny"],
            "input_tokens": [7, 8],
            "meters.gb": [Decimal("0.250000"), None],
            "tags": arrow.array(
                [[("team", "search")], []], arrow.map_(arrow.string(), arrow.string())
            ),
        }
    )
    target = io.BytesIO()
    parquet.write_table(table, target)
    ((rows, receipt),) = run("usage.parquet", target.getvalue())
    assert (rows, receipt.accepted, receipt.errors) == (2, 2, ())
    assert Rollup.objects.get(meter="gb").quantity == Decimal("0.25")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"id,id\n1,2\n"),
        ("a.csv", b"id,source\n\xff\xfe,x\n"),
        ("a.jsonl", gzip.compress(b"{}\n" * 1000, mtime=0)[:20]),
        ("a.parquet", b"no parquet"),
        ("a.xlsx", b""),
    ],
)
def test_files_that_cannot_be_read(acme: Any, name: str, content: bytes) -> None:
    from apps.ingest.adapters.files import FileRefused

    with pytest.raises(FileRefused):
        run(name, content)
    assert EventKey.objects.count() == 0


def test_rows_are_laid_out_as_events() -> None:
    assert event_of({"tags": {"a": "1", "b": None}, "tag:c": "2", "x": None, "model": ""}) == {
        "tags": {"a": "1", "c": "2"}
    }
    assert event_of({"time": "t", "meter:web:v2": "1"}) == {
        "time": "t",
        "meters": {"web:v2": "1"},
    }


def test_errors_count_from_the_first_row_of_the_file(
    acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(sys.modules["apps.ingest.services.imports"], "ROWS", 2)
    lines = [json.dumps(event(f"e{n}", model=None if n == 3 else "tiny")) for n in range(5)]
    parts = run("a.jsonl", "\n".join(lines).encode())
    assert [rows for rows, _ in parts] == [2, 2, 1]
    assert [error.index for _, receipt in parts for error in receipt.errors] == [3]


@pytest.fixture
def client(acme: Any) -> Any:
    key = service_key(Scope.USAGE_READ, Scope.USAGE_WRITE, bound_tags={"team": "search"})
    with time_machine.travel(NOW, tick=False):
        yield Client(headers={"host": "acme.localhost", **bearer(key)})


def upload(client: Client, name: str, content: bytes, **fields: str) -> Any:
    file = SimpleUploadedFile(name, content)
    return client.post("/api/v1/usage/imports", {"file": file, **fields})


def test_an_import_over_the_api(
    client: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = upload(client, "usage.csv", CSV.encode())
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    done = client.get(f"/api/v1/usage/imports/{answer.json()['id']}").json()
    assert {name: done[name] for name in ("state", "rows", "accepted", "rejected")} == {
        "state": "done",
        "rows": 4,
        "accepted": 2,
        "rejected": 2,
    }
    assert [error["index"] for error in done["errors"]] == [2, 3]
    assert client.get("/api/v1/usage/imports").json()["results"][0]["id"] == done["id"]
    assert usage.verify_rollups() == []


def test_an_import_goes_on_where_it_broke_off(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    module = sys.modules["apps.ingest.services.imports"]
    monkeypatch.setattr(module, "ROWS", 2)
    content = "\n".join(json.dumps(event(f"e{n}")) for n in range(6)).encode()
    found = ingest.start_import(
        upload=ingest.Upload("a.jsonl", SimpleUploadedFile("a", content), len(content)),
        actor=WRITER,
        now=NOW,
    )
    accept, calls = module.accept_events, []

    def broken(**how: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the worker was killed")
        return accept(**how)

    monkeypatch.setattr(module, "accept_events", broken)
    with pytest.raises(RuntimeError):
        ingest.run_import(import_id=found, clock=lambda: NOW)
    ingest.run_import(import_id=found, clock=lambda: NOW)
    ingest.run_import(import_id=found, clock=lambda: NOW)
    row = Import.objects.get(public_id=found)
    assert (row.state, row.rows_done, row.accepted, row.duplicates) == ("done", 6, 6, 0)
    assert EventKey.objects.count() == 6


def test_a_broken_file_fails_and_says_why(
    client: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = upload(client, "usage.parquet", b"nonsense", kind="native")
    done = client.get(f"/api/v1/usage/imports/{answer.json()['id']}").json()
    assert done["state"] == "failed"
    assert "Parquet" in done["message"]
    assert upload(client, "usage.parquet", b"nonsense").json()["code"] == "file_refused"
    assert upload(client, "usage.doc", b"x").json()["code"] == "file_refused"
    assert upload(client, "bill.csv", b"x", kind="focus").status_code == 403


def test_a_focus_file_is_a_bill(
    acme: Any, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    key = service_key(Scope.USAGE_READ, Scope.USAGE_WRITE, Scope.BILLING_WRITE)
    client = Client(headers={"host": "acme.localhost", **bearer(key)})
    assert upload(client, "bill.csv", b"x", kind="focus").json()["code"] == "import_refused"
    with django_capture_on_commit_callbacks(execute=True):
        answer = upload(client, "bill.csv", b"x\n", kind="focus", provider_account="nobody")
    done = client.get(f"/api/v1/usage/imports/{answer.json()['id']}").json()
    assert done["state"] == "failed"
    assert "lacks the columns" in done["message"]


def test_the_commands(acme: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_text(
        "\n".join(json.dumps(event(name, time="2026-01-05T00:00:00Z")) for name in "ab")
    )
    with time_machine.travel(NOW, tick=False):
        call_command("import_usage", "acme", str(path))
        call_command("import_usage", "acme", str(path))
    lines = [line for line in capsys.readouterr().out.splitlines() if "accepted" in line]
    assert lines == [
        "2 accepted, 0 duplicates, 0 conflicts, 0 rejected, 2 unpriced",
        "0 accepted, 2 duplicates, 0 conflicts, 0 rejected, 0 unpriced",
    ]
    call_command("verify_rollups", "acme")
    Rollup.objects.filter(meter="requests").update(quantity=5)
    with pytest.raises(CommandError, match="1 rollups of acme differ"):
        call_command("verify_rollups", "acme", "2026-01")
    with pytest.raises(CommandError, match="no file"):
        call_command("import_usage", "acme", "nowhere.csv")
    path.write_text(json.dumps(event("c", model=None)))
    with pytest.raises(CommandError, match="Not every row"):
        call_command("import_usage", "acme", str(path))
