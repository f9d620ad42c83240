"""Files of other logs, told by their first row; problems, cancellation, killed workers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps.core.domain.access import Scope
from apps.ingest import selectors
from apps.ingest import services as ingest
from apps.ingest.domain import bedrock_log
from apps.ingest.domain.layouts import layout_of
from apps.ingest.domain.report import csv_lines
from apps.ingest.domain.translated import NotTranslated, sealed_draft
from apps.ingest.models import Import, ImportProblem, IngestBatch
from apps.usage import services as usage
from apps.usage.domain.drafts import Draft
from apps.usage.domain.normalize import meters_of
from apps.usage.models import Event, EventKey, Rollup, TagSet
from finops_platform.embedded.home import REPOSITORY
from tests import live
from tests.accounts.people import bearer, service_key
from tests.ingest.factories import NOW, WRITER, contract, event
from tests.ingest.test_litellm import payload, spend_log

RECORD: dict[str, Any] = {
    "schemaType": "ModelInvocationLog",
    "schemaVersion": "1.0",
    "timestamp": "2026-01-15T10:20:30Z",
    "accountId": "123456789012",
    "identity": {"arn": "arn:aws:sts::123456789012:assumed-role/Chat/i-0abc"},
    "region": "us-east-1",
    "inferenceRegion": "us-west-2",
    "requestId": "req-1",
    "operation": "Converse",
    "modelId": "anthropic.claude-3-7-sonnet-20250219-v1:0",
    "requestMetadata": {"team": "search", "feature": "summarize"},
    "input": {
        "inputContentType": "application/json",
        "inputBodyJson": {"messages": []},
        "inputTokenCount": 512,
        "cacheReadInputTokenCount": 100,
        "cacheWriteInputTokenCount": 0,
    },
    "output": {"outputContentType": "application/json", "outputTokenCount": 256},
}


def of_record(**changes: Any) -> Draft:
    translated = bedrock_log.translate(RECORD | changes)
    assert translated is not None
    draft = sealed_draft(translated, door=bedrock_log.DOOR, index=0)
    assert isinstance(draft, Draft), draft
    return draft


def lines(rows: list[Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def queue(name: str, content: bytes, **how: Any) -> UUID:
    file = SimpleUploadedFile(name, content)
    upload = ingest.Upload(name, file, len(content), **how)
    return ingest.start_import(upload=upload, actor=WRITER, now=NOW)


def run(name: str, content: bytes, **how: Any) -> Import:
    import_id = queue(name, content, **how)
    ingest.run_import(import_id=import_id, clock=lambda: NOW)
    return Import.objects.get(public_id=import_id)


def test_a_record_of_bedrock() -> None:
    draft = of_record()
    assert meters_of(draft) == (
        {"input_tokens": 512, "cached_input_tokens": 100, "output_tokens": 256},
        612,
    )
    assert (draft.source, draft.id, draft.provider) == ("bedrock:123456789012", "req-1", "bedrock")
    assert (draft.region, draft.account, draft.operation) == ("us-east-1", "123456789012", "chat")
    assert draft.credential == "arn:aws:sts::123456789012:assumed-role/Chat"
    assert draft.tags == {"team": "search", "feature": "summarize"}
    said = {"inputTokens": 512, "outputTokens": 256, "cacheReadInputTokens": 100,
            "cacheWriteInputTokens": 9, "totalTokens": 877,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 9}]}  # fmt: skip
    output = {"outputTokenCount": 256, "outputBodyJson": {"usage": said}}
    assert meters_of(of_record(output=output))[0]["cache_write_1h_tokens"] == 9


def test_records_without_counts() -> None:
    nothing = {"input": {}, "output": {}}
    failed = of_record(errorCode="ThrottlingException", **nothing)
    assert (failed.status, meters_of(failed)) == ("error", ({}, 0))
    assert meters_of(of_record(**nothing))[0] == {"unreported_calls": 1}
    assert bedrock_log.translate({"schemaType": "ModelCustomization"}) is None
    for field in ("requestId", "modelId", "timestamp"):
        with pytest.raises(NotTranslated) as refused:
            bedrock_log.translate({**RECORD, field: None})
        assert refused.value.problem.field == field


@pytest.mark.parametrize(
    ("row", "layout"),
    [
        (RECORD, "bedrock"),
        (payload(), "litellm"),
        (spend_log(), "litellm"),
        ({"BilledCost": "1", "ChargePeriodStart": "x"}, "focus"),
        ({"id": "a"}, "native"),
        ("The line is no JSON object.", "native"),
    ],
)
def test_a_first_row_tells_what_a_file_is(row: Any, layout: str) -> None:
    assert layout_of(row) == layout


def test_a_bedrock_log_as_s3_has_it(acme: Any) -> None:
    records = [RECORD, RECORD | {"requestId": "req-2"}, {"schemaType": "Other"}, "odd"]
    one = run("logs/20260115T1020.json.gz", gzip.compress(lines(records)), kind="")
    assert (one.kind, one.form, one.state) == ("bedrock", "jsonl", "done")
    assert (one.accepted, one.rejected, one.ignored, one.rows_done) == (2, 1, 1, 4)
    assert [problem.row for problem in ImportProblem.objects.all()] == [3]
    assert TagSet.objects.get().tags == {"team": "search", "feature": "summarize"}
    again = run("again.jsonl", lines(records), kind="")
    assert (again.accepted, again.duplicates) == (0, 2)
    assert usage.verify_rollups() == []


def test_litellms_logs_in_every_form(acme: Any) -> None:
    contract(input_tokens="3", cache_write_tokens="3.75", output_tokens="15")
    poll = payload("poll", call_type="aretrieve_batch")
    first = run("payloads.jsonl", lines([payload(), poll]), kind="")
    assert (first.kind, first.accepted, first.ignored) == ("litellm", 1, 1)
    listed = run("payloads.json", json.dumps([payload(), payload("b")]).encode(), kind="")
    assert (listed.accepted, listed.duplicates) == (1, 1)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(spend_log()))
    writer.writeheader()
    writer.writerows([spend_log(), spend_log("c")])
    table = run("LiteLLM_SpendLogs.csv", out.getvalue().encode(), kind="")
    assert (table.kind, table.accepted, table.duplicates, table.rejected) == ("litellm", 1, 1, 0)
    total = sum((row.cost or Decimal(0) for row in Rollup.objects.all()), Decimal(0))
    assert total == 3 * Decimal("0.054399")


def test_a_bill_is_no_file_of_events(acme: Any) -> None:
    with pytest.raises(Exception, match="billing:write"):
        run("bill.csv", b"BilledCost,ChargePeriodStart\n1,2\n", kind="")


def test_long_lines_and_lists_are_named(acme: Any) -> None:
    long = b'{"id": "' + b"x" * 2_000_000 + b'"}'
    one = run("a.jsonl", lines([event("a")]) + b"\n" + long + b"\n" + lines([event("b")]))
    assert (one.accepted, one.rejected) == (2, 1)
    assert ImportProblem.objects.get().message == "The line is longer than 1 MiB."
    broken = run("b.json", b"[{]", kind="native")
    assert (broken.state, "no JSON" in broken.message) == ("failed", True)


def test_every_problem_is_in_the_report(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [event(f"=cmd{n}", model=None) for n in range(1_500)]
    one = run("bad.jsonl", lines([event("good"), *bad]))
    assert (one.rejected, len(one.errors)) == (1_500, 1_000)
    assert ImportProblem.objects.count() == 1_500
    found = selectors.import_problems(import_id=one.public_id, actor=WRITER)
    rows = list(csv.reader(io.StringIO("".join(csv_lines(found)))))
    assert rows[0] == ["row", "id", "code", "field", "message"]
    assert rows[1] == [
        "1",
        "'=cmd0",
        "missing",
        "model",
        "Name the model as the provider reports it.",
    ]
    assert (len(rows), rows[-1][0]) == (1_501, "1500")


@pytest.fixture
def client(acme: Any) -> Any:
    key = service_key(Scope.USAGE_READ, Scope.USAGE_WRITE)
    with time_machine.travel(NOW, tick=False):
        yield Client(headers={"host": "acme.localhost", **bearer(key)})


def test_over_the_api(
    client: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    file = SimpleUploadedFile("log.jsonl", lines([RECORD, RECORD | {"modelId": ""}]))
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post("/api/v1/usage/imports", {"file": file})
    assert answer.status_code == 202
    assert answer.json()["kind"] == "bedrock"
    address = f"/api/v1/usage/imports/{answer.json()['id']}"
    done = client.get(address).json()
    assert (done["state"], done["size_done"] == done["size"]) == ("done", True)
    report = client.get(f"{address}/errors.csv")
    assert report["Content-Type"].startswith("text/csv")
    text = b"".join(report.streaming_content).decode()  # type: ignore[attr-defined]
    assert text.splitlines()[1].startswith("1,req-1,missing,modelId,")
    over = client.post(f"{address}/cancel")
    assert (over.status_code, over.json()["code"]) == (409, "import_over")
    assert client.post(f"/api/v1/usage/imports/{UUID(int=1)}/cancel").status_code == 404
    assert client.get(f"/api/v1/usage/imports/{UUID(int=1)}/errors.csv").status_code == 404


def test_others_imports_are_out_of_reach(acme: Any) -> None:
    import_id = queue("a.jsonl", lines([event("a")]))
    key = service_key(Scope.USAGE_READ, Scope.USAGE_WRITE, bound_tags={"team": "search"})
    other = Client(headers={"host": "acme.localhost", **bearer(key)})
    address = f"/api/v1/usage/imports/{import_id}"
    assert other.post(f"{address}/cancel").status_code == 404
    assert other.get(f"{address}/errors.csv").status_code == 404
    assert not Import.objects.get().is_cancelled


def parts_of(monkeypatch: pytest.MonkeyPatch, rows: int) -> Any:
    import sys

    module = sys.modules["apps.ingest.services.imports"]
    monkeypatch.setattr(module, "ROWS", rows)
    return module


def test_a_cancelled_import_begins_no_further_part(
    acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(monkeypatch, 2)
    import_id = queue("a.jsonl", lines([event(f"e{n}") for n in range(6)]))

    def cancel(_: Any) -> None:
        ingest.cancel_import(import_id=import_id, actor=WRITER)

    ingest.run_import(import_id=import_id, clock=lambda: NOW, told=cancel)
    one = Import.objects.get()
    assert (one.state, one.rows_done, one.accepted) == ("cancelled", 2, 2)
    assert 0 < one.size_done <= one.size
    ingest.run_import(import_id=import_id, clock=lambda: NOW)
    assert Event.objects.count() == 2


def test_a_part_that_was_stored_and_not_counted_is_counted_once(
    acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(monkeypatch, 2)
    rows = [event("a"), event("b", model=None), event("c"), event("a")]
    import_id = queue("a.jsonl", lines(rows))
    advance = Import.advance
    monkeypatch.setattr(Import, "advance", _killed)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            ingest.run_import(import_id=import_id, clock=timezone.now)
    monkeypatch.setattr(Import, "advance", advance)
    ingest.run_import(import_id=import_id, clock=timezone.now)
    one = Import.objects.get()
    assert (one.rows_done, one.accepted, one.duplicates, one.rejected) == (4, 2, 1, 1)
    assert one.part_at is None
    assert [problem.row for problem in ImportProblem.objects.all()] == [1]
    assert EventKey.objects.count() == 2


def _killed(*_: Any, **__: Any) -> bool:
    raise RuntimeError("the worker was killed")


def test_two_workers_count_a_part_once(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parts_of(monkeypatch, 2)
    import_id = queue("a.jsonl", lines([event(f"e{n}") for n in range(4)]))

    def other(_: Any) -> None:
        if Import.objects.get().rows_done == 2:
            ingest.run_import(import_id=import_id, clock=timezone.now)

    ingest.run_import(import_id=import_id, clock=timezone.now, told=other)
    one = Import.objects.get()
    assert (one.state, one.rows_done, one.accepted) == ("done", 4, 4)


@pytest.mark.live
@pytest.mark.slow
def test_a_killed_worker_double_counts_nothing(fresh_tenant: Any, tmp_path: Path) -> None:
    rows = [event(f"e{n}", usage={"input_tokens": 1}) for n in range(60_000)]
    rows[7_000]["model"] = None
    import_id = queue("big.jsonl", lines(rows))
    from apps.ingest.tasks import run_import

    with live.sending():
        run_import.delay(schema=fresh_tenant.schema, import_id=str(import_id))
    with live.worker(log=tmp_path / "first.log") as process:
        _wait(lambda: Import.objects.get().rows_done >= 10_000, tmp_path / "first.log")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert Import.objects.get().finished_at is None
    with live.worker(log=tmp_path / "second.log"):
        _wait(lambda: Import.objects.get().finished_at is not None, tmp_path / "second.log")
    one = Import.objects.get()
    assert (one.state, one.rows_done, one.rejected) == ("done", 60_000, 1)
    assert (one.accepted, one.duplicates) == (59_999, 0)
    assert EventKey.objects.count() == 59_999
    assert sum(row.quantity for row in Rollup.objects.filter(meter="input_tokens")) == 59_999
    assert ImportProblem.objects.get().row == 7_000
    assert usage.verify_rollups() == []


@pytest.mark.live
@pytest.mark.slow
def test_a_killed_command_goes_on_where_it_was(fresh_tenant: Any, tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    path.write_bytes(lines([event(f"e{n}", usage={"input_tokens": 1}) for n in range(40_000)]))
    command = [sys.executable, "manage.py", "import_usage", fresh_tenant.slug]
    how: dict[str, Any] = {"cwd": REPOSITORY, "env": live.environment()}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, str(path)], stdout=log, stderr=log, **how)
        _wait(lambda: any(one.rows_done >= 5_000 for one in Import.objects.all()), tmp_path / "log")
        process.kill()
        process.wait()
    one = Import.objects.get()
    assert one.finished_at is None
    resumed = [*command, "--resume", str(one.public_id)]
    done = subprocess.run(resumed, capture_output=True, text=True, check=True, timeout=120, **how)
    assert done.stdout.splitlines()[-1].startswith("40,000 accepted, 0 duplicates, 0 conflicts")
    assert sum(row.quantity for row in Rollup.objects.filter(meter="input_tokens")) == 40_000
    assert usage.verify_rollups() == []


def _wait(until: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 120
    while not until():
        if time.monotonic() > deadline:
            raise AssertionError(log.read_text(errors="replace")[-3_000:])
        time.sleep(0.02)


def test_the_command_writes_the_report_and_goes_on(
    acme: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, report = tmp_path / "log.jsonl", tmp_path / "errors.csv"
    path.write_bytes(lines([RECORD, RECORD | {"requestId": "r2", "modelId": ""}]))
    with time_machine.travel(NOW, tick=False):
        with pytest.raises(CommandError, match="Not every row"):
            call_command("import_usage", "acme", str(path), "--errors", str(report))
        assert report.read_text().splitlines()[1].startswith("1,r2,missing,modelId,")
        import_id = queue("a.jsonl", lines([event("a")]))
        call_command("import_usage", "acme", "--resume", str(import_id))
    assert "1 accepted, 0 duplicates" in capsys.readouterr().out
    assert IngestBatch.objects.count() == 2
    broken = tmp_path / "a.parquet"
    broken.write_bytes(b"no parquet")
    with pytest.raises(Exception, match="no Parquet"):
        call_command("import_usage", "acme", str(broken))
