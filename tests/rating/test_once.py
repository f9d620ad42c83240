"""Every POST of prices and of usage that takes an Idempotency-Key: done once, answered alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, URLResolver, get_resolver

from apps.audit.models import AuditRecord
from apps.core.domain.access import Scope, system_actor
from apps.core.domain.months import Month
from apps.periods import services as periods
from apps.rating import selectors as rating
from tests.accounts.people import bearer, browser, service_key
from tests.ingest.factories import contract, event, send
from tests.rating.test_api import BODY as PRICE
from tests.rating.test_sheets import HEAD, ROW
from tests.rating.test_terms_api import COMMITMENT, COST_MODEL, DISCOUNT

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
PRICES, USAGE = "/api/v1/prices", "/api/v1/usage"
EVENT = f"{USAGE}/events/gateway/a"
NAMED = f"{USAGE}/events/{{}}?source=gateway&id=a"
WHY = {"reason": "It was wrong"}
END = {"valid_to": "2026-12-01T00:00:00Z"}
MEANING = {
    "sent_provider": "house",
    "sent_model": "big-one",
    "provider": "testco",
    "model": "tiny",
    "valid_from": "2026-01-01T00:00:00Z",
    "note": "our gateway's name of it",
}
BACKFILL = {
    "source": "gateway",
    "starts_at": "2026-01-15T00:00:00Z",
    "ends_at": "2026-01-16T00:00:00Z",
    "reason": "the gateway counted twice",
}
VOCABULARY: dict[str, Any] = {"door": "cloudevents", "name": "pdf.rendered", "fields": {}}
VOCABULARY["fields"] = {"service": "=pdf", "meters.pages": "data.pages"}
SCOPES = (Scope.USAGE_READ, Scope.USAGE_WRITE, Scope.USAGE_CORRECT, Scope.PRICES_WRITE)

Api = Callable[..., Any]


def _made(api: Api, path: str, body: Any) -> str:
    answer = api(path, body)
    assert answer.status_code in {200, 201}, answer.content
    made = answer.json()
    return str((made.get("mapping") or made)["id"])


def _put_in_force(api: Api) -> tuple[str, str]:
    commitment = _made(api, f"{PRICES}/commitments", COMMITMENT)
    path = f"{PRICES}/commitments/{commitment}/levels"
    body = api(path, {"level": 1, "valid_from": "2026-10-01"}).json()
    return path, body["terms"][0]["id"]


def _closed(api: Api) -> str:
    one = f"{USAGE}/backfills/{_made(api, f'{USAGE}/backfills', BACKFILL)}"
    api(f"{one}/events", [event("a"), event("new")])
    assert api(f"{one}/close", {}).status_code == 200
    return one


def _frozen(api: Api) -> tuple[str, Any]:
    version = rating.current_version().version
    how = {"actor": system_actor("tests"), "now": NOW, "price_book_version": version}
    periods.freeze(month=Month(2026, 1), **how)
    contract(output_tokens="9.50", now=NOW)
    return f"{PRICES}/corrections", {"period": "2026-01", "reason": "signed late"}


def _corrected(api: Api, deed: str, path: str) -> tuple[str, Any]:
    if deed == "amend":
        return path, {"event": event("a", usage={"input_tokens": 7}), "reason": "wrong count"}
    if deed == "revert":
        api(f"{EVENT}/void", WHY)
    return path, WHY


def _sheet() -> dict[str, Any]:
    return {"file": SimpleUploadedFile("sheet.csv", f"{HEAD}\n{ROW}\n".encode()), "dry_run": False}


def _on(path: str, create: Any, deed: str, body: Any) -> Callable[[Api], tuple[str, Any]]:
    return lambda api: (f"{path}/{_made(api, path, create)}/{deed}", body)


Case = Callable[[Api], tuple[str, Any]]
CASES: dict[str, Case] = {
    "api/v1/prices": lambda api: (PRICES, PRICE),
    "api/v1/prices/<uuid:price>/end": _on(PRICES, PRICE, "end", END),
    "api/v1/prices/<uuid:price>/withdraw": _on(PRICES, PRICE, "withdraw", WHY),
    "api/v1/prices/sheet": lambda api: (f"{PRICES}/sheet", _sheet),
    "api/v1/prices/discounts": lambda api: (f"{PRICES}/discounts", DISCOUNT),
    "api/v1/prices/discounts/<uuid:discount>/end": _on(f"{PRICES}/discounts", DISCOUNT, "end", END),
    "api/v1/prices/discounts/<uuid:discount>/withdraw": _on(
        f"{PRICES}/discounts", DISCOUNT, "withdraw", WHY
    ),
    "api/v1/prices/commitments": lambda api: (f"{PRICES}/commitments", COMMITMENT),
    "api/v1/prices/commitments/<uuid:commitment>/levels": _on(
        f"{PRICES}/commitments", COMMITMENT, "levels", {"level": 1, "valid_from": "2026-10-01"}
    ),
    "api/v1/prices/commitments/<uuid:commitment>/levels/<uuid:term>/withdraw": lambda api: (
        "{}/{}/withdraw".format(*_put_in_force(api)),
        WHY,
    ),
    "api/v1/prices/cost-models": lambda api: (f"{PRICES}/cost-models", COST_MODEL),
    "api/v1/prices/mappings": lambda api: (f"{PRICES}/mappings", MEANING),
    "api/v1/prices/mappings/<uuid:mapping>/end": _on(f"{PRICES}/mappings", MEANING, "end", END),
    "api/v1/prices/mappings/<uuid:mapping>/withdraw": _on(
        f"{PRICES}/mappings", MEANING, "withdraw", WHY
    ),
    "api/v1/prices/corrections": _frozen,
    **{
        f"api/v1/usage/events/<str:source>/<path:event_id>/{deed}": (
            lambda api, deed=deed: _corrected(api, deed, f"{EVENT}/{deed}")
        )
        for deed in ("void", "amend", "revert")
    },
    **{
        f"api/v1/usage/events/{deed}": (
            lambda api, deed=deed: _corrected(api, deed, NAMED.format(deed))
        )
        for deed in ("void", "amend", "revert")
    },
    "api/v1/usage/backfills": lambda api: (f"{USAGE}/backfills", BACKFILL),
    "api/v1/usage/backfills/<uuid:backfill>/close": _on(
        f"{USAGE}/backfills", BACKFILL, "close", {}
    ),
    "api/v1/usage/backfills/<uuid:backfill>/abandon": _on(
        f"{USAGE}/backfills", BACKFILL, "abandon", {}
    ),
    "api/v1/usage/backfills/<uuid:backfill>/revert": lambda api: (f"{_closed(api)}/revert", WHY),
    "api/v1/usage/event-mappings": lambda api: (f"{USAGE}/event-mappings", VOCABULARY),
    "api/v1/usage/event-mappings/<uuid:mapping>/retire": _on(
        f"{USAGE}/event-mappings", VOCABULARY, "retire", {}
    ),
}


@pytest.fixture
def api(acme: Any, time_machine: Any) -> Api:
    """Post to acme's API; a callable as body makes the fields of a form anew."""
    time_machine.move_to(NOW)
    contract(input_tokens="2.50")
    send([event("a"), event("b", provider="house", model="big-one")])
    key, client = service_key(*SCOPES, Scope.COSTS_READ), browser("acme")

    def call(path: str, body: Any, once: str = "") -> Any:
        headers = bearer(key) | ({"idempotency-key": once} if once else {})
        if callable(body):
            return client.post(path, body(), headers=headers)
        return client.post(path, json.dumps(body), "application/json", headers=headers)

    return call


def _declared(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _declared(entry, route)
        elif isinstance(entry, URLPattern):
            view = getattr(entry.callback, "view_class", None) or getattr(
                entry.callback, "cls", None
            )
            if getattr(getattr(view, "post", None), "takes_idempotency_key", False):
                yield route


def test_every_request_that_takes_a_key_is_tried() -> None:
    mine = ("api/v1/prices", "api/v1/usage")
    found = set(_declared(get_resolver("finops_platform.urls_tenant")))
    assert {route for route in found if route.startswith(mine)} == CASES.keys()


@pytest.mark.parametrize("route", CASES)
def test_a_repeated_request_is_done_once(api: Api, route: str) -> None:
    path, body = CASES[route](api)
    first = api(path, body, once="k-1")
    assert first.status_code in {200, 201}, first.content
    done = AuditRecord.objects.count()
    again = api(path, body, once="k-1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert AuditRecord.objects.count() == done
    other = api(f"{path}{'&' if '?' in path else '?'}other=1", body, once="k-1")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert AuditRecord.objects.count() == done


def test_prices_recorded_under_a_key_are_adopted_like_others(
    api: Api, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as enqueued:
        assert api(PRICES, PRICE, once="k-1").status_code == 201
        assert api(PRICES, PRICE, once="k-1").status_code == 201
    assert len([one for one in enqueued if "request_adoption" in one.__qualname__]) == 1
