"""The console in a real Chromium: sign in, post usage, read it, by mouse, keyboard and phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from apps.core.domain.access import Role, Scope
from tests.accounts.people import PASSWORD, person, service_key
from tests.ingest.factories import event

pytestmark = [pytest.mark.live, pytest.mark.slow]

USAGE = {"input_tokens": 1_200_000, "cached_input_tokens": 800_000, "output_tokens": 300_000}
PAGES = (
    "/?month=2026-01",
    "/usage/",
    "/usage/unpriced/",
    "/month/",
    "/month/2026-01/",
    "/month/rules/",
    "/statements/",
    "/prices/",
    "/sources/bills/",
    "/settings/organization/",
    "/settings/attribution/?month=2026-01",
    "/settings/fx/",
    "/settings/people/",
    "/settings/api-keys/",
    "/settings/audit/",
    "/style/",
)


@contextmanager
def chromium(*, width: int, said: list[str]) -> Iterator[Page]:
    """Open a page that notes whatever the browser complains about."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on(
            "response",
            lambda one: said.append(f"{one.status} {one.url}") if one.status >= 400 else None,
        )
        page.on("pageerror", lambda error: said.append(f"thrown: {error}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', event => console.error("
            "`csp: ${event.violatedDirective} ${event.blockedURI}`))"
        )
        yield page
        browser.close()


def sign_in(page: Page, base: str, email: str) -> None:
    page.goto(f"{base}/login/")
    page.fill("input[type=email]", email)
    page.fill("input[type=password]", PASSWORD)
    page.click("form button[type=submit]")
    page.wait_for_url(f"{base}/**")


def test_usage_posted_with_a_key_is_read_on_the_pages(fresh_tenant: Any, web_port: int) -> None:
    email = person(Role.OWNER, email="browser@people.example").email
    key = service_key(Scope.USAGE_WRITE).text
    answer = httpx.post(
        f"http://127.0.0.1:{web_port}/api/v1/usage/events",
        headers={"Authorization": f"Bearer {key}"},
        json=[event("evt-1", provider="openai", model="gpt-4o", usage=USAGE)],
        timeout=30,
    )
    assert answer.json()["accepted"] == 1
    said: list[str] = []
    base = f"http://{fresh_tenant.slug}.localhost:{web_port}"
    with chromium(width=1280, said=said) as page:
        sign_in(page, base, email)
        page.goto(f"{base}/?month=2026-01")
        # 0.4M input at $2.50, 0.8M cached at $1.25 and 0.3M output at $10 per million.
        assert "5.00" in page.locator(".grid-kpi").inner_text()
        assert page.locator("canvas, .chart svg").count() >= 1
        page.goto(f"{base}/usage/")
        page.locator("main table a").first.click()
        text = page.inner_text("main").replace("\xa0", " ")
        assert "$2.50 per 1M tokens" in text
    assert said == []


def test_the_keyboard_reaches_the_content_first(fresh_tenant: Any, web_port: int) -> None:
    email = person(Role.OWNER, email="browser@people.example").email
    base = f"http://{fresh_tenant.slug}.localhost:{web_port}"
    with chromium(width=1280, said=[]) as page:
        sign_in(page, base, email)
        page.goto(f"{base}/month/")
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.getAttribute('href')")
        assert focused is not None
        assert focused.startswith("#")


@pytest.mark.parametrize("width", [360, 1920])
def test_no_page_scrolls_sideways_or_complains(
    fresh_tenant: Any, web_port: int, width: int
) -> None:
    email = person(Role.OWNER, email="browser@people.example").email
    base = f"http://{fresh_tenant.slug}.localhost:{web_port}"
    said: list[str] = []
    wrong: list[str] = []
    with chromium(width=width, said=said) as page:
        sign_in(page, base, email)
        for path in PAGES:
            answer = page.goto(f"{base}{path}")
            assert answer is not None
            overflow = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if answer.status != 200 or overflow > 0 or page.locator("h1").count() != 1:
                wrong.append(f"{path}: {answer.status}, {overflow} px too wide")
    assert wrong == []
    assert said == []
