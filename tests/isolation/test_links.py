"""No role is shown a link that it may not follow: the navigation, the top bar, the home page."""

from __future__ import annotations

import re
from typing import Any

import time_machine
from django.test import Client
from django.utils.html import escape

from apps.core.domain.access import Role
from tests.ingest.factories import NOW, event, send
from tests.isolation.conftest import is_let_in

_LINK = re.compile(r'href="(/[^"#]*)')
_NOT_PAGES = ("/static/", "/logout/")


@time_machine.travel(NOW, tick=False)
def test_every_link_of_home_opens_for_whom_it_is_shown_to(clients: dict[str, Client]) -> None:
    send([event("a", tags={"team": "search"}), event("b", tags={})])
    closed = []
    for role in Role:
        home = clients[role.value].get("/")
        assert home.status_code == 200
        for path in sorted(set(_LINK.findall(home.content.decode()))):
            if not path.startswith(_NOT_PAGES):
                closed += _closed(clients[role.value], role, path)
    assert not closed, "\n".join(closed)


def _closed(client: Client, role: Role, path: str) -> list[str]:
    answer: Any = client.get(path.replace(escape("&"), "&"))
    well = is_let_in(answer) and answer.status_code < 400
    return [] if well else [f"{path} as {role.value}: {answer.status_code}"]
