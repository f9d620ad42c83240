"""Servers that tests steer: a platform that has bad days, and providers' real wire formats."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Quiet, and with connections that are kept."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def body(self) -> bytes:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw

    def answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port and give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Platform:
    """Stores events by id as the platform does, and first does what `plan` says.

    A plan's step is a status with headers, or `"break"`: the connection ends without an answer,
    after the events were stored.
    """

    def __init__(self) -> None:
        self.plan: list[tuple[int, dict[str, str]] | str] = []
        self.refuses: Callable[[list[dict[str, Any]]], int | None] = lambda events: None
        self.stored: dict[str, dict[str, Any]] = {}
        self.batches: list[int] = []
        self.lock = Lock()

    def handler(self) -> type[Handler]:
        platform = self

        class Answers(Handler):
            def do_POST(self) -> None:
                events = json.loads(self.body())["events"]
                with platform.lock:
                    platform.batches.append(len(events))
                    step = platform.plan.pop(0) if platform.plan else None
                    refused = platform.refuses(events)
                if step == "break":
                    platform.store(events)
                    self.close_connection = True
                    self.connection.close()
                elif isinstance(step, tuple):
                    self.answer(step[0], b"{}", "application/problem+json", **step[1])
                elif refused is not None:
                    body = json.dumps({"code": "refused", "detail": "no"}).encode()
                    self.answer(refused, body, "application/problem+json")
                else:
                    receipt = json.dumps(platform.store(events)).encode()
                    self.answer(200, receipt, "application/json")

        return Answers

    def store(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        with self.lock:
            new = [event for event in events if event["id"] not in self.stored]
            self.stored.update((event["id"], event) for event in new)
        return {
            "accepted": len(new),
            "duplicates": len(events) - len(new),
            "unpriced": 0,
            "errors": [],
        }


def sse(*events: tuple[str | None, dict[str, Any] | str]) -> bytes:
    """Return server-sent events."""
    parts = []
    for name, data in events:
        text = data if isinstance(data, str) else json.dumps(data)
        parts.append((f"event: {name}\n" if name else "") + f"data: {text}\n\n")
    return "".join(parts).encode()


CHAT_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 800},
    "completion_tokens_details": {"reasoning_tokens": 120},
}
RESPONSES_USAGE = {
    "input_tokens": 90,
    "output_tokens": 10,
    "total_tokens": 100,
    "input_tokens_details": {"cached_tokens": 30},
    "output_tokens_details": {"reasoning_tokens": 4},
}
MESSAGE_USAGE = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 100,
    "output_tokens": 1,
    "service_tier": "standard",
}
CREATED = 1768471200  # 2026-01-15T10:00:00Z


class Providers(Handler):
    """OpenAI's and Anthropic's endpoints, as their SDKs call them."""

    seen: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        sent = json.loads(self.body())
        Providers.seen.append({"path": self.path, **sent})
        kind = "text/event-stream" if sent.get("stream") else "application/json"
        if sent.get("model") == "broken":
            error = {"error": {"message": "no", "type": "invalid_request_error"}}
            self.answer(400, json.dumps(error).encode(), "application/json")
            return
        makers = {
            "/v1/chat/completions": chat,
            "/v1/responses": responses,
            "/v1/embeddings": embeddings,
            "/v1/messages": messages,
        }
        made = makers[self.path.partition("?")[0]](sent)
        body = made if isinstance(made, bytes) else json.dumps(made).encode()
        self.answer(200, body, kind, x_request_id=f"req_{len(Providers.seen)}")


def chat(sent: dict[str, Any]) -> Any:
    head = {
        "id": f"chatcmpl-{len(Providers.seen)}",
        "created": CREATED,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
    }
    if not sent.get("stream"):
        message = {"role": "assistant", "content": "Hello."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE}
    chunk = {**head, "object": "chat.completion.chunk"}
    asked = (sent.get("stream_options") or {}).get("include_usage")
    more = {"usage": None} if asked else {}
    items: list[tuple[str | None, Any]] = [
        (
            None,
            {**chunk, **more, "choices": [{"index": 0, "delta": {"content": word}}]},
        )
        for word in ("Hel", "lo", ".")
    ]
    items.append(
        (None, {**chunk, **more, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    )
    if asked:
        items.append((None, {**chunk, "choices": [], "usage": CHAT_USAGE}))
    return sse(*items, (None, "[DONE]"))


def responses(sent: dict[str, Any]) -> Any:
    response = {
        "id": f"resp_{len(Providers.seen)}",
        "object": "response",
        "created_at": CREATED,
        "model": "gpt-4o-2024-08-06",
        "status": "completed",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSES_USAGE,
    }
    if not sent.get("stream"):
        return response
    begun = {**response, "status": "in_progress", "usage": None}
    return sse(
        (
            "response.created",
            {"type": "response.created", "sequence_number": 0, "response": begun},
        ),
        (
            "response.completed",
            {"type": "response.completed", "sequence_number": 1, "response": response},
        ),
    )


def embeddings(sent: dict[str, Any]) -> Any:
    return {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }


def messages(sent: dict[str, Any]) -> Any:
    message = {
        "id": f"msg_{len(Providers.seen)}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-20250514",
        "content": [{"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {**MESSAGE_USAGE, "output_tokens": 40},
    }
    if not sent.get("stream"):
        return message
    begun = {**message, "content": [], "stop_reason": None, "usage": MESSAGE_USAGE}
    text = {"type": "text", "text": ""}
    words = [
        (
            "content_block_delta",
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": word},
            },
        )
        for word in ("Hel", "lo.")
    ]
    return sse(
        ("message_start", {"type": "message_start", "message": begun}),
        ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": text}),
        *words,
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 40},
            },
        ),
        ("message_stop", {"type": "message_stop"}),
    )
