"""The API reference: the same committed document everywhere, drawn under the strict policy."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import sync_playwright

from finops_platform.embedded.home import REPOSITORY

SCHEMA, PAGE = "/api/v1/schema/", "/api/v1/docs/"


@pytest.mark.parametrize("host", ["acme.localhost", "localhost"])
def test_the_committed_document_is_served(acme: Any, host: str) -> None:
    client = Client(headers={"host": host})
    answer = client.get(SCHEMA)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/vnd.oai.openapi; charset=utf-8"
    assert answer.content == (REPOSITORY / "docs" / "openapi.yaml").read_bytes()
    again = client.get(SCHEMA, headers={"if-none-match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("host", ["acme.localhost", "localhost"])
def test_nothing_is_written_at_the_reference(acme: Any, host: str) -> None:
    client = Client(headers={"host": host})
    for url in (SCHEMA, PAGE):
        assert client.post(url).status_code == 405


def test_the_rest_of_the_api_stays_closed_on_the_shared_host(acme: Any) -> None:
    client = Client(headers={"host": "localhost"})
    for url in ("/api/v1/", "/api/v1/docs", "/api/v1/docs/x", "/api/v1/schema/../periods"):
        assert client.get(url).status_code == 401, url


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("host", ["acme.localhost", "localhost"])
def test_the_page_draws_itself_without_breaking_the_policy(web_port: int, host: str) -> None:
    said: list[str] = []
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"thrown: {error}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', event => console.error("
            "`csp: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"
        )
        page.goto(f"http://{host}:{web_port}{PAGE}")
        page.click("#operations-tag-usage")
        page.wait_for_selector("#operations-usage-usage_events_create")
        page.click("#operations-usage-usage_events_create button")
        page.wait_for_selector("text=validate and price, store nothing")
        assert page.locator(".opblock-tag").count() > 10
        browser.close()
    assert said == []
