"""Pages of imports and of raw usage: what is chosen, followed, cancelled and downloaded."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.core.domain.access import Role
from apps.ingest import services as ingest
from apps.ingest.models import Import
from tests.accounts.people import browser, person, signed_in
from tests.ingest.factories import NOW, event, send
from tests.ingest.test_files import RECORD, lines
from tests.ingest.test_litellm import payload
from tests.ingest.test_raw_usage import OPENROUTER, raw


@pytest.fixture
def finance(acme: Any) -> Any:
    with time_machine.travel(NOW, tick=False):
        yield signed_in("acme", person(Role.FINANCE))


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return str(answer.content.decode()).replace("\xa0", " ").replace("\u202f", " ")


def upload(client: Client, name: str, content: bytes, **fields: str) -> str:
    file = SimpleUploadedFile(name, content)
    answer = client.post("/usage/imports/new/", {"file": file, **fields})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def test_the_kind_is_chosen_or_told(finance: Client) -> None:
    page = text_of(finance.get("/usage/imports/new/"))
    assert "Bedrock: model invocation log" in page
    upload(finance, "log.txt", lines([RECORD]), form="jsonl")
    upload(finance, "a.jsonl", lines([payload()]))
    upload(finance, "b.jsonl", lines([payload()]), kind="native")
    kinds = list(Import.objects.order_by("id").values_list("kind", "form"))
    assert kinds == [("bedrock", "jsonl"), ("litellm", "jsonl"), ("native", "jsonl")]
    file = SimpleUploadedFile("bill.csv", b"BilledCost,ChargePeriodStart\n1,2\n")
    refused = finance.post("/usage/imports/new/", {"file": file})
    assert "A FOCUS file is a CSV" in text_of(refused)


def test_progress_and_time_left_are_shown(finance: Client) -> None:
    address = upload(finance, "a.jsonl", lines([event("a")]))
    Import.objects.update(
        state="running", started_at=NOW - timedelta(seconds=60), size=1000, size_done=250
    )
    page = text_of(finance.get(address))
    assert "25%" in page
    assert "About 3 min 00 s left" in page
    assert "Cancel this import?" in page


def test_an_import_is_cancelled_and_says_so(finance: Client) -> None:
    address = upload(finance, "a.jsonl", lines([event("a")]))
    assert finance.post(f"{address}cancel/").status_code == 302
    assert "Ends after the part" in text_of(finance.get(address))
    one = Import.objects.get()
    ingest.run_import(import_id=one.public_id, clock=lambda: NOW)
    page = text_of(finance.get(address))
    assert "Cancelled after" in page
    assert "Cancel this import?" not in page
    again = finance.post(f"{address}cancel/", follow=True)
    assert "has ended" in text_of(again)


def test_every_problem_is_downloaded(finance: Client) -> None:
    address = upload(finance, "a.jsonl", lines([event("=1+1", model=None), event("b")]))
    assert "Download every problem" not in text_of(finance.get(address))
    ingest.run_import(import_id=Import.objects.get().public_id, clock=lambda: NOW)
    assert "Download every problem" in text_of(finance.get(address))
    report = finance.get(f"{address}errors.csv")
    text = b"".join(report.streaming_content).decode()  # type: ignore[attr-defined]
    (row,) = list(csv.DictReader(io.StringIO(text)))
    assert (row["row"], row["id"], row["field"]) == ("0", "'=1+1", "model")
    nothing = UUID(int=1)
    assert finance.get(f"/usage/imports/{nothing}/errors.csv").status_code == 404
    assert finance.post(f"/usage/imports/{nothing}/cancel/").status_code == 404


def test_who_may_not(finance: Client) -> None:
    address = upload(finance, "a.jsonl", lines([event("a")]))
    stranger = browser("acme")
    assert "/login/" in stranger.get(f"{address}errors.csv")["Location"]
    analyst = signed_in("acme", person(Role.ANALYST))
    assert "Cancel this import?" not in text_of(analyst.get(address))
    assert analyst.post(f"{address}cancel/").status_code == 403
    assert not Import.objects.get().is_cancelled


def test_an_event_shows_the_object_that_it_came_with(finance: Client) -> None:
    send([raw(OPENROUTER), event("plain")])
    page = text_of(finance.get("/usage/events/gateway/evt-1/"))
    assert "Usage as its provider wrote it" in page
    assert "smell_tokens: kept as meters of their own" in page
    assert "&quot;cost&quot;: 0.00095" in page
    plain = text_of(finance.get("/usage/events/gateway/plain/"))
    assert "Usage as its provider wrote it" not in plain
