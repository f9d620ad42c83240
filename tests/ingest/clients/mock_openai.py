"""A stand-in for OpenAI's API that answers with fixed usage, so that sums are known."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
}
MODEL = "gpt-4o-2024-08-06"


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if sent["model"] == "broken":
            self._answer(500, {"error": {"message": "boom", "type": "server_error"}})
        elif self.path.endswith("/embeddings"):
            self._answer(200, _EMBEDDING)
        elif sent.get("stream"):
            self._stream()
        else:
            self._answer(200, _COMPLETION)

    def _answer(self, status: int, body: Any) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _stream(self) -> None:
        chunk = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1}
        delta = {"index": 0, "delta": {"role": "assistant", "content": "hi"}}
        parts = [
            {**chunk, "model": MODEL, "choices": [{**delta, "finish_reason": "stop"}]},
            {**chunk, "model": MODEL, "choices": [], "usage": USAGE},
        ]
        lines = [f"data: {json.dumps(part)}\n\n" for part in parts]
        self._send(200, "text/event-stream", "".join([*lines, "data: [DONE]\n\n"]).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


_MESSAGE = {"role": "assistant", "content": "hello", "refusal": None}
_COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "stop", "message": _MESSAGE, "logprobs": None}],
    "usage": USAGE,
}
_EMBEDDING = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}


@contextmanager
def serving() -> Iterator[str]:
    """Serve on a free port and give the base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
