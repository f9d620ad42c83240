"""A platform that decides: guardrails as the API tells them, bad days, and events it stores."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from threading import Lock
from typing import Any

from tests.clients.fakes import Handler


class Guardrails:
    """One budget of `room`, holds by id, answers by Idempotency-Key, events by id.

    A step of `plan` comes before the next answers: a status with headers, `"lost"` (done, and the
    connection breaks), or `"break"` (not done).
    """

    def __init__(self, room: str = "1.00") -> None:
        self.room = Decimal(room)
        self.on_failure = "open"
        self.verdict = "deny"
        self.cost = Decimal("0.10")
        self.plan: list[tuple[int, dict[str, str]] | str] = []
        self.asked: list[dict[str, Any]] = []
        self.checked: list[dict[str, Any]] = []
        self.holds: dict[str, str] = {}
        self.settled: list[dict[str, Any]] = []
        self.events: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.lock = Lock()

    def states(self) -> list[str]:
        return list(self.holds.values())

    def handler(self) -> type[Handler]:
        platform = self

        class Answers(Handler):
            def do_POST(self) -> None:
                body = json.loads(self.body() or b"{}")
                with platform.lock:
                    guarded = "guardrails" in self.path
                    step = platform.plan.pop(0) if guarded and platform.plan else None
                    if step is None or step == "lost":
                        status, answer = platform.answer(self.path, body, dict(self.headers))
                if isinstance(step, str):
                    self.close_connection = True
                    self.connection.close()
                elif step is not None:
                    self.answer(step[0], b"{}", "application/problem+json", **step[1])
                else:
                    self.answer(status, json.dumps(answer).encode(), "application/json")

        return Answers

    def answer(self, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        if path == "/api/v1/usage/events":
            return 200, self.store(body["events"])
        key = headers["Idempotency-Key"]
        if key not in self.keys:
            self.keys[key] = self.act(path.removeprefix("/api/v1/guardrails/"), body)
        answer = self.keys[key]
        return answer.get("status", 200), answer

    def act(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "check":
            self.checked.append(body)
            return self.decision(hold=None)
        if path == "authorize":
            self.asked.append(body)
            hold = str(uuid.uuid4()) if self.cost <= self.room else None
            if hold:
                self.room -= self.cost
                self.holds[hold] = "open"
            return self.decision(hold=hold)
        _, hold, step = path.split("/")
        if self.holds.get(hold) != "open":
            self.keys.pop(hold, None)
            return {"status": 409, "code": "hold_ended", "detail": "The hold has ended."}
        self.holds[hold] = {"settle": "settled", "void": "void"}[step]
        if step == "settle":
            self.settled.append(body)
        self.room += self.cost if step == "void" else 0
        return {"id": hold, "state": self.holds[hold]}

    def decision(self, *, hold: str | None) -> dict[str, Any]:
        allowed = self.cost <= self.room or hold is not None
        text = "The budget Search has no room: 0.05 USD is left, and 0.10 USD is asked for."
        reason = {"code": "budget_exhausted", "message": text, "budget": str(uuid.UUID(int=7))}
        return {
            "decision": "allow" if allowed else self.verdict,
            "reasons": [] if allowed else [reason],
            "estimate": {"amount": str(self.cost), "currency": "USD"},
            "hold": hold,
            "expires_at": "2026-01-15T10:05:00Z" if hold else None,
            "on_failure": self.on_failure,
        }

    def store(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        new = [event for event in events if event["id"] not in self.events]
        for event in new:
            self.events[event["id"]] = event
            if event.get("hold"):
                self.holds[event["hold"]] = "used"
        duplicates = len(events) - len(new)
        return {"accepted": len(new), "duplicates": duplicates, "unpriced": 0, "errors": []}
