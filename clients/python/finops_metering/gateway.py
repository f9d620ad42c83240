"""A small guarded gateway (WSGI): authorizes a provider's calls, passes them on, meters answers.

    FINOPS_URL=... FINOPS_KEY=... FINOPS_UPSTREAM=https://api.openai.com \\
        granian --interface wsgi finops_metering.gateway:application

It speaks whatever the provider behind it speaks (OpenAI's chat, responses and embeddings,
Anthropic's messages), streamed or not. Tags come in headers, `X-Finops-Tag-Team: search`: let the
server in front set them, as a client may write what it likes. `/_finops/authorize` answers nginx's
`auth_request`.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from finops_metering import anthropic, openai
from finops_metering.client import Client
from finops_metering.decisions import Denied
from finops_metering.errors import ApiError
from finops_metering.guard import Guard
from finops_metering.metered import Call, Meter, Reader
from finops_metering.sse import Events, Item, read_item

log = logging.getLogger("finops_metering")

LONGEST_BODY = 32 * 1024 * 1024
_AUTHORIZE = "/_finops/authorize"
_TAG = "HTTP_X_FINOPS_TAG_"
_PLACES: Mapping[str, Reader] = {
    **openai.READERS,
    "/v1/messages": anthropic.READERS["/v1/messages"],
}
_MODEL_IN_PATH = re.compile(r"/(?:deployments|models?)/([^/:?]+)")
_NOT_PASSED_ON = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "proxy-authorization"),
        *("proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"),
        *("host", "content-length", "accept-encoding"),
    )
)
"""Headers of one connection, and those that we write ourselves."""

Environ = Mapping[str, Any]
StartResponse = Callable[..., Any]


class Gateway:
    """A WSGI application in front of one provider.

    :param upstream: the provider's address, `https://api.openai.com`.
    :param provider: who is billed; by default read from the address.
    :param headers: set on every call to the provider, as its key.
    :param forward_rest: pass on calls that cannot be guarded, too (images, batches); by default
        only GET is, and others are refused.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        upstream: str,
        provider: str | None = None,
        headers: Mapping[str, str] | None = None,
        forward_rest: bool = False,
        timeout: float = 600.0,
    ) -> None:
        self.guard = guard
        self._upstream = urlsplit(upstream.rstrip("/"))
        if self._upstream.scheme not in ("http", "https") or not self._upstream.hostname:
            raise ValueError(f"upstream is http(s)://HOST[:PORT], not {upstream!r}.")
        self._provider = provider or _provider_of(self._upstream.hostname)
        self._headers = dict(headers or {})
        self._forward_rest = forward_rest
        self._timeout = timeout

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            return self._answer(environ, start_response)
        except _Refused as refused:
            return refused.answer(start_response)
        except Denied as refused:
            return _told(refused).answer(start_response)
        except ApiError as error:
            log.error("guard: the question was refused: %s (%s)", error.message, error.code)
            text = f"The guardrail refused the question: {error.message}"
            return _Refused("502 Bad Gateway", text, "guardrail_error", error.code).answer(
                start_response
            )

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO") or "/")
        if path == _AUTHORIZE:
            return self._subrequest(environ, start_response)
        place = next((end for end in _PLACES if path.endswith(end)), None)
        if environ.get("REQUEST_METHOD") != "POST" or place is None:
            return self._passed_on(environ, start_response, path)
        body = _body_of(environ)
        call = self._call(environ, _PLACES[place], body)
        streams = bool(body.get("stream"))
        if streams:
            call.hides_usage = call.reader.asks_for_usage(body)
        hold = self.guard.authorize(**call.question(self.guard))
        call.hold = hold
        try:
            answer = self._ask(environ, path, json.dumps(body).encode())
        except BaseException:
            hold.finish(failed=True)
            raise
        if answer.status >= 400:
            hold.finish(failed=True)
            return _whole(answer, start_response)
        start_response(_status(answer), _passed_headers(answer))
        kind = answer.getheader("Content-Type") or ""
        return Watched(answer, call, streams=kind.startswith("text/event-stream"))

    def _call(self, environ: Environ, reader: Reader, body: Mapping[str, Any]) -> Call:
        meter = Meter(
            recorder=self.guard.client,
            provider=self._provider,
            tags=tags_of(environ),
            fields={},
            readers=_PLACES,
        )
        call = Call(meter, reader, tags=meter.tags, body=body)
        found = _MODEL_IN_PATH.search(str(environ.get("PATH_INFO") or ""))
        model = body.get("model") or (found.group(1) if found else None)
        call.seen.model = model if isinstance(model, str) else None
        return call

    def _passed_on(
        self, environ: Environ, start_response: StartResponse, path: str
    ) -> Iterable[bytes]:
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD") and not self._forward_rest:
            text = f"{path} is not guarded, so it is not passed on; forward_rest=True passes it."
            raise _Refused("403 Forbidden", text, "guardrail_deny", "not_guarded")
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or None
        return _whole(self._ask(environ, path, sent), start_response)

    def _subrequest(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Decide for nginx by what headers tell: it does not show the body to a subrequest.

        The model is named by `X-Finops-Model` or by the path (Azure, Gemini, Bedrock), the input
        estimated by `X-Original-Length`. The hold comes back in `X-Finops-Hold`.
        """
        uri = str(environ.get("HTTP_X_ORIGINAL_URI") or "")
        found = _MODEL_IN_PATH.search(uri)
        model = environ.get("HTTP_X_FINOPS_MODEL") or (found.group(1) if found else "")
        length = str(environ.get("HTTP_X_ORIGINAL_LENGTH") or "")
        hold = self.guard.authorize(
            provider=self._provider,
            model=model,
            tags=tags_of(environ),
            estimate={
                "input_tokens": int(length) // 4 if length.isdecimal() else 0,
                "output_tokens": self.guard.output_tokens,
            },
        )
        told = [("X-Finops-Decision", hold.decision.decision), ("X-Finops-Hold", hold.id or "")]
        start_response("204 No Content", told)
        return []

    def _ask(self, environ: Environ, path: str, body: bytes | None) -> HTTPResponse:
        """Send a request to the provider.

        :raises _Refused: when the provider does not answer.
        """
        host, port = str(self._upstream.hostname), self._upstream.port
        kind = HTTPSConnection if self._upstream.scheme == "https" else HTTPConnection
        query = environ.get("QUERY_STRING")
        written = quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=~")
        target = self._upstream.path + written + (f"?{query}" if query else "")
        try:
            connection = kind(host, port, timeout=self._timeout)
            headers = {**_sent_headers(environ), **self._headers}
            connection.request(str(environ["REQUEST_METHOD"]), target, body, headers)
            return connection.getresponse()
        except (OSError, HTTPException) as error:
            text = f"The provider did not answer: {type(error).__name__}."
            raise _Refused("502 Bad Gateway", text, "upstream_error", "no_answer") from error


class Watched:
    """An answer on its way to the client; what it tells of usage is recorded at its end."""

    def __init__(self, answer: HTTPResponse, call: Call, *, streams: bool) -> None:
        self._answer = answer
        self._call = call
        self._parts = self._streamed() if streams else self._at_once()

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """End the call, also where the client left early."""
        self._call.record()
        self._answer.close()

    def _at_once(self) -> Iterator[bytes]:
        body = self._answer.read()
        item = read_item(body, request_id=self._answer.getheader("x-request-id"))
        if item is not None:
            self._look(lambda: self._call.reader.whole(item, self._call.seen))
        if self._call.seen.usage is not None:
            self._call.record()
        else:
            self._call.is_recorded = True  # the use is told later, by somebody else
        yield body

    def _streamed(self) -> Iterator[bytes]:
        events = Events()
        while part := self._answer.read1(65_536):
            for text, item in events.feed(part):
                if not self._hides(item):
                    yield text
        rest = events.rest()
        if rest:
            yield rest
        self._call.record()

    def _hides(self, item: Item | None) -> bool:
        if item is None:
            return False
        self._look(lambda: self._call.reader.part(item, self._call.seen))
        return self._call.hides_usage and self._call.reader.is_usage_only(item)

    def _look(self, read: Callable[[], None]) -> None:
        try:
            read()
        except Exception:
            log.exception("metering: an answer could not be read")


class _Refused(Exception):
    """What the client is told in the provider's place, in the form that its SDKs read."""

    def __init__(self, status: str, message: str, kind: str, code: str) -> None:
        super().__init__(message)
        self._status = status
        self._error = {"message": message, "type": kind, "code": code, "param": None}

    def answer(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with it."""
        body = json.dumps({"type": "error", "error": self._error}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(self._status, headers)
        return [body]


def tags_of(environ: Environ) -> dict[str, str]:
    """Return the tags that headers name: `X-Finops-Tag-Team: search` is team=search."""
    return {
        name.removeprefix(_TAG).lower(): str(value)
        for name, value in environ.items()
        if name.startswith(_TAG) and value
    }


def gateway_of_environment() -> Gateway:
    """Return a gateway as the environment says.

    `FINOPS_URL`, `FINOPS_KEY` (scopes `usage:write`, `budgets:authorize`) and `FINOPS_UPSTREAM` are
    required; `FINOPS_PROVIDER`, `FINOPS_UPSTREAM_KEY` (sent to the provider as a bearer token),
    `FINOPS_WHEN_UNREACHABLE` and `FINOPS_SPOOL` are not.

    :raises KeyError: when one that is required is missing.
    """
    client = Client(
        os.environ["FINOPS_URL"],
        os.environ["FINOPS_KEY"],
        source=os.environ.get("FINOPS_SOURCE", "gateway"),
        spool=os.environ.get("FINOPS_SPOOL") or None,
    )
    wish: Any = os.environ.get("FINOPS_WHEN_UNREACHABLE", "server")
    key = os.environ.get("FINOPS_UPSTREAM_KEY")
    return Gateway(
        Guard(client, when_unreachable=wish),
        upstream=os.environ["FINOPS_UPSTREAM"],
        provider=os.environ.get("FINOPS_PROVIDER") or None,
        headers={"Authorization": f"Bearer {key}"} if key else None,
    )


def __getattr__(name: str) -> Any:
    """Make `application` when a server first asks for it."""
    if name != "application":
        raise AttributeError(name)
    globals()["application"] = made = gateway_of_environment()
    return made


def _body_of(environ: Environ) -> dict[str, Any]:
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not length.isdecimal() or int(length) > LONGEST_BODY:
        text = f"A body has at most {LONGEST_BODY} bytes."
        raise _Refused("413 Content Too Large", text, "invalid_request_error", "too_large")
    try:
        body = json.loads(environ["wsgi.input"].read(int(length)))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        text = "The body is no JSON object."
        raise _Refused("400 Bad Request", text, "invalid_request_error", "json")
    return body


def _told(refused: Denied) -> _Refused:
    decision = refused.decision
    code = decision.reasons[0].code if decision.reasons else decision.decision
    return _Refused("403 Forbidden", str(refused), f"guardrail_{decision.decision}", code)


def _sent_headers(environ: Environ) -> dict[str, str]:
    """Return the client's headers as the provider gets them; ours stay here."""
    found = {"Accept-Encoding": "identity"}
    if environ.get("CONTENT_TYPE"):
        found["Content-Type"] = str(environ["CONTENT_TYPE"])
    for key, value in environ.items():
        name = key.removeprefix("HTTP_").replace("_", "-").title()
        ours = name.startswith(("X-Finops-", "X-Original-"))
        if key.startswith("HTTP_") and not ours and name.lower() not in _NOT_PASSED_ON:
            found[name] = str(value)
    return found


def _passed_headers(answer: HTTPResponse) -> list[tuple[str, str]]:
    return [one for one in answer.getheaders() if one[0].lower() not in _NOT_PASSED_ON]


def _whole(answer: HTTPResponse, start_response: StartResponse) -> Iterable[bytes]:
    body = answer.read()
    start_response(_status(answer), [*_passed_headers(answer), ("Content-Length", str(len(body)))])
    answer.close()
    return [body]


def _status(answer: HTTPResponse) -> str:
    return f"{answer.status} {answer.reason or 'OK'}"


def _provider_of(host: str) -> str:
    return "anthropic" if host.endswith("anthropic.com") else openai.provider_at(host)
