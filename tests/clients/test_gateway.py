"""The guarded gateway: real SDKs through it, streamed or not, and behind a real nginx."""

from __future__ import annotations

import shutil
import socket
import socketserver
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from anthropic import Anthropic
from finops_metering import Client, Guard
from finops_metering.gateway import Gateway
from openai import BadRequestError, OpenAI, PermissionDeniedError

from tests.clients.fakes import CHAT_USAGE, Providers, serving
from tests.clients.guardrails import Guardrails

MESSAGES: Any = [{"role": "user", "content": "Hello?"}]
RECIPES = Path(__file__).parents[2] / "clients" / "python" / "recipes"
TEAM = {"X-Finops-Tag-Team": "search"}


@pytest.fixture
def platform() -> Guardrails:
    return Guardrails()


@pytest.fixture
def client(platform: Guardrails) -> Iterator[Client]:
    with (
        serving(platform.handler()) as url,
        Client(url, "k", source="gateway", flush_interval=0.02) as made,
    ):
        yield made


@pytest.fixture
def url(client: Client) -> Iterator[str]:
    with serving(Providers) as provider, gateway(client, provider) as address:
        yield address


class Threads(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def gateway(client: Client, upstream: str, **options: Any) -> Iterator[str]:
    application = Gateway(Guard(client), upstream=upstream, **options)
    server = make_server("127.0.0.1", 0, application, server_class=Threads, handler_class=Quiet)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def openai(url: str, **headers: str) -> OpenAI:
    return OpenAI(
        api_key="k", base_url=f"{url}/v1", default_headers={**TEAM, **headers}, max_retries=0
    )


def test_a_call_is_authorized_passed_on_and_metered(
    url: str, client: Client, platform: Guardrails
) -> None:
    answer = openai(url).chat.completions.create(model="gpt-4o", messages=MESSAGES, max_tokens=9)
    assert answer.choices[0].message.content == "Hello."
    assert platform.asked == [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "tags": {"team": "search"},
            "estimate": {"input_tokens": 7, "output_tokens": 9},
        }
    ]
    assert client.flush(10)
    event = platform.events[answer.id]
    assert (event["raw_usage"], event["tags"]) == (CHAT_USAGE, {"team": "search"})
    assert event["hold"] in platform.holds
    assert platform.states() == ["used"]


def test_streams_pass_as_they_are_but_for_the_usage_that_nobody_asked_for(
    url: str, client: Client, platform: Guardrails
) -> None:
    chat = openai(url).chat.completions
    words = [
        chunk.choices[0].delta.content
        for chunk in chat.create(model="gpt-4o", messages=MESSAGES, stream=True)
    ]
    assert words == ["Hel", "lo", ".", None]
    asked = chat.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert [chunk.usage is not None for chunk in asked] == [False] * 4 + [True]
    assert client.flush(10)
    assert platform.states() == ["used"] * 2
    assert [event["status"] for event in platform.events.values()] == ["ok"] * 2
    assert all(event["raw_usage"] == CHAT_USAGE for event in platform.events.values())


def test_other_calls_of_both_providers(url: str, client: Client, platform: Guardrails) -> None:
    openai(url).responses.create(model="gpt-4o", input="Hello?")
    list(openai(url).responses.create(model="gpt-4o", input="Hello?", stream=True))
    openai(url).embeddings.create(model="text-embedding-3-small", input="Hello")
    with serving(Providers) as provider, gateway(client, provider, provider="anthropic") as at:
        sdk = Anthropic(api_key="k", base_url=at, max_retries=0)
        sdk.messages.create(model="claude", max_tokens=9, messages=MESSAGES)
        with sdk.messages.stream(model="claude", max_tokens=9, messages=MESSAGES) as stream:
            assert stream.get_final_message().usage.output_tokens == 40
    assert client.flush(10)
    assert len(platform.events) == 5
    assert platform.states() == ["used"] * 5


def test_a_refusal_reads_like_the_providers_own(
    url: str, platform: Guardrails, client: Client
) -> None:
    platform.room *= 0
    before = len(Providers.seen)
    with pytest.raises(PermissionDeniedError) as refused:
        openai(url).chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert refused.value.code == "budget_exhausted"
    assert refused.value.type == "guardrail_deny"
    assert "no room" in refused.value.message
    assert len(Providers.seen) == before


def test_what_the_provider_refuses_costs_nothing(url: str, platform: Guardrails) -> None:
    with pytest.raises(BadRequestError):
        openai(url).chat.completions.create(model="broken", messages=MESSAGES)
    assert platform.states() == ["void"]


def test_a_stream_that_is_left_early_is_partial(
    url: str, client: Client, platform: Guardrails
) -> None:
    stream = openai(url).chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    next(iter(stream))
    stream.close()
    for _ in range(100):
        if client.flush(1) and platform.events:
            break
        time.sleep(0.02)
    assert len(platform.events) == 1
    assert platform.states() == ["used"]


def post(url: str, body: bytes, **headers: str) -> tuple[int, bytes, Any]:
    try:
        with urlopen(Request(url, body, headers), timeout=20) as answer:
            return answer.status, answer.read(), answer.headers
    except HTTPError as error:
        return error.code, error.read(), error.headers


def test_what_cannot_be_guarded_and_what_is_no_request(
    client: Client, platform: Guardrails
) -> None:
    with serving(Providers) as provider, gateway(client, provider) as url:
        assert post(f"{url}/v1/images/generations", b"{}")[0] == 403
        assert post(f"{url}/v1/chat/completions", b"[1]")[0] == 400
        assert post(f"{url}/v1/chat/completions", b"[" * 200_000)[0] == 400
    with gateway(client, provider) as url:  # the provider is gone
        status, body, _ = post(f"{url}/v1/chat/completions", b'{"model":"gpt-4o"}')
        assert (status, b"did not answer" in body) == (502, True)
    assert platform.states() == ["void"]
    platform.plan = [(401, {})]
    with gateway(client, provider) as url:
        assert post(f"{url}/v1/chat/completions", b'{"model":"gpt-4o"}')[0] == 502


def test_paths_go_on_as_they_came(client: Client, platform: Guardrails) -> None:
    seen: list[str] = []

    class Echo(Providers):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.answer(200, b"{}", "application/json")

    with serving(Echo) as provider, gateway(client, provider) as url:
        with urlopen(f"{url}/v1/models/a%20b%0D%0Ac?x=1", timeout=20) as answer:
            assert answer.status == 200
        body = b'{"messages":[]}'
        with suppress(Exception):
            post(f"{url}/openai/deployments/gpt-4o/chat/completions", body)
    assert seen == ["/v1/models/a%20b%0D%0Ac?x=1"]
    assert platform.asked[0]["model"] == "gpt-4o"


def test_a_subrequest_is_decided_by_its_headers(url: str, platform: Guardrails) -> None:
    headers = {
        "X-Original-URI": "/openai/deployments/gpt-4o/chat/completions?api-version=1",
        "X-Original-Length": "4000",
        **TEAM,
    }
    status, _, told = post(f"{url}/_finops/authorize", b"", **headers)
    assert status == 204
    assert told["X-Finops-Hold"] in platform.holds
    assert platform.asked[0] == {
        "provider": "openai",
        "model": "gpt-4o",
        "tags": {"team": "search"},
        "estimate": {"input_tokens": 1_000, "output_tokens": 1_024},
    }
    platform.room *= 0
    assert post(f"{url}/_finops/authorize", b"", **headers)[0] == 403


# nginx -------------------------------------------------------------------------------------------

with_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")


@contextmanager
def nginx(recipe: str, tmp_path: Path, **ports: int) -> Iterator[str]:
    """Run nginx on a recipe as it is, but for ports and places of files."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own = probe.getsockname()[1]
    text = (RECIPES / recipe).read_text()
    for was, now in {
        "8080": own,
        **{name.strip("_"): port for name, port in ports.items()},
    }.items():
        text = text.replace(f"127.0.0.1:{was}", f"127.0.0.1:{now}")
    text = text.replace("/run/nginx-finops.pid", f"{tmp_path}/pid")
    text = text.replace("/var/log/nginx/finops-error.log", f"{tmp_path}/error.log")
    written = tmp_path / "nginx.conf"
    written.write_text(text)
    command = ["nginx", "-p", str(tmp_path), "-c", str(written), "-g", "daemon off;"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", own)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{own}"
    finally:
        process.terminate()
        process.wait(10)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@with_nginx
def test_nginx_names_the_team_and_the_gateway_does_the_rest(
    client: Client, platform: Guardrails, tmp_path: Path
) -> None:
    with (
        serving(Providers) as provider,
        gateway(client, provider, headers={"Authorization": "Bearer provider-key"}) as behind,
        nginx("nginx-gateway.conf", tmp_path, _8081=port_of(behind)) as front,
    ):
        sdk = OpenAI(
            api_key="team-search-key",
            base_url=f"{front}/v1",
            default_headers={"X-Finops-Tag-Team": "support", "X-Finops-Tag-Feature": "hello"},
            max_retries=0,
        )
        answer = sdk.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        list(sdk.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
        status, body, _ = post(f"{front}/v1/chat/completions", b"{}", Authorization="Bearer x")
        assert (status, b"Unknown key" in body) == (401, True)
        assert client.flush(10)
        assert platform.events[answer.id]["tags"] == {
            "team": "search",  # not what the client wrote
            "environment": "production",
            "feature": "hello",
        }
        assert platform.states() == ["used"] * 2
        platform.room *= 0
        with pytest.raises(PermissionDeniedError):
            sdk.chat.completions.create(model="gpt-4o", messages=MESSAGES)


@with_nginx
def test_nginx_asks_by_auth_request(client: Client, platform: Guardrails, tmp_path: Path) -> None:
    with (
        serving(Providers) as provider,
        gateway(client, provider) as guard,
        nginx(
            "nginx-auth-request.conf", tmp_path, _8081=port_of(guard), _8082=port_of(provider)
        ) as front,
    ):
        body = b'{"model":"gpt-4o","messages":[]}'
        headers = {"Authorization": "Bearer team-search-key", "X-Finops-Model": "gpt-4o"}
        status, _, told = post(f"{front}/v1/chat/completions", body, **headers)
        assert (status, told["X-Finops-Hold"] in platform.holds) == (200, True)
        assert platform.asked[0]["tags"] == {"team": "search"}
        assert platform.asked[0]["model"] == "gpt-4o"
        before = len(Providers.seen)
        platform.room *= 0
        assert post(f"{front}/v1/chat/completions", body, **headers)[0] == 403
        assert len(Providers.seen) == before
