"""Asks before money is spent: check, authorize, and end what was held, sync and async."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator, Mapping
from threading import Lock
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

from finops_metering import estimates
from finops_metering.aio import AsyncClient
from finops_metering.calls import Calls, NotReached
from finops_metering.client import Client
from finops_metering.decisions import Decision, OnFailure, Reason, refusal
from finops_metering.errors import ApiError
from finops_metering.estimates import Estimate, Estimator
from finops_metering.holds import Hold
from finops_metering.ids import minter

log = logging.getLogger("finops_metering")

Call = TypeVar("Call", bound=Callable[..., Any])
WhenUnreachable = Literal["server", "open", "closed"]

_REMEMBERED = 1_000
"""Questions whose last `on_failure` is remembered."""


class Guard:
    """Asks the platform whether a call may be made, and sets its money aside.

    :param client: the `Client` or `AsyncClient` that records; address, key and tags are its own.
    :param key: another key, with the scope `budgets:authorize`.
    :param when_unreachable: `open` lets calls pass when the server cannot be asked, `closed` does
        not; `server` (default) does what the last answer to such a call said, and is open before
        the first.
    :param timeout: seconds for one question with all its tries.
    :param output_tokens: what a call may write that sets no limit itself.
    :param estimate: makes an estimate of a request's body, in place of `estimates.of_body`.
    """

    def __init__(
        self,
        client: Client | AsyncClient,
        *,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        when_unreachable: WhenUnreachable = "server",
        timeout: float = 2.0,
        ttl_seconds: int | None = None,
        output_tokens: int = 1_024,
        estimate: Estimator | None = None,
    ) -> None:
        if when_unreachable not in ("server", "open", "closed"):
            raise ValueError("when_unreachable is server, open or closed.")
        self.client = client if isinstance(client, Client) else client.client
        self.tags = dict(tags or {})
        self._when_unreachable = when_unreachable
        self._ttl_seconds = ttl_seconds
        self.output_tokens = output_tokens
        self._estimate = estimate
        self._calls = Calls(
            new=lambda: self.client.new_transport(key=key, timeout=timeout), timeout=timeout
        )
        self._wishes: OrderedDict[tuple[str, str, str], OnFailure] = OrderedDict()
        self._lock = Lock()

    def check(self, *, estimate: Estimate, **asked: Any) -> Decision:
        """Ask without holding anything; takes what `authorize` takes, and never raises `Denied`.

        :raises ApiError: when the key is wrong or the question is not valid.
        """
        body, _ = self._body(estimate, asked)
        return self._ask("check", body, minter.mint())

    def authorize(
        self, *, estimate: Estimate, idempotency_key: str | None = None, **asked: Any
    ) -> Hold:
        """Ask for one use and set its money aside: `with guard.authorize(...) as hold: ...`.

        `asked` are `provider`, `model`, `tags`, `ttl_seconds`, `account`, `credential`, `region`,
        `service_tier`, `batch`. A question is asked again under the same Idempotency-Key, and
        holds once. Give an `idempotency_key` only for a question that is asked again after a crash:
        under one key the answer stays what it was, a refusal too.

        :raises Denied: when the answer is no; `NeedsApproval`, `Unreachable` say it more closely.
        :raises ApiError: when the key is wrong or the question is not valid.
        """
        body, tags = self._body(estimate, asked)
        decision = self._ask("authorize", body, idempotency_key or minter.mint())
        if not decision.allows:
            raise refusal(decision)
        if decision.decision == "warn":
            log.warning("guard: %s", "; ".join(one.message for one in decision.reasons))
        requests = estimate.get("requests")
        return Hold(
            decision,
            tags=tags,
            requests=requests if isinstance(requests, int) else 1,
            source=self.client.source,
            post=self._post,
            record=self.client.record_raw,
        )

    def guarded(
        self, *, estimate: Estimate | Callable[..., Estimate], **asked: Any
    ) -> Callable[[Call], Call]:
        """Decorate a function or coroutine function: each call is one authorized block.

        An `estimate` that is a function is given the call's arguments.
        """

        def decorate(call: Call) -> Call:
            def size(args: Any, kwargs: Any) -> Estimate:
                return estimate(*args, **kwargs) if callable(estimate) else estimate

            @functools.wraps(call)
            def run(*args: Any, **kwargs: Any) -> Any:
                with self.authorize(estimate=size(args, kwargs), **asked):
                    return call(*args, **kwargs)

            @functools.wraps(call)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                async with Asking(self, estimate=size(args, kwargs), **asked):
                    return await call(*args, **kwargs)

            return cast("Call", run_async if inspect.iscoroutinefunction(call) else run)

        return decorate

    def estimate_of(self, body: Mapping[str, Any], *, operation: str = "chat") -> Estimate:
        """Return what a request's body is expected to take."""
        if self._estimate is not None:
            return self._estimate(body)
        return estimates.of_body(body, operation=operation, output_tokens=self.output_tokens)

    def close(self) -> None:
        """Drop the connections."""
        self._calls.close()

    # Inside ------------------------------------------------------------------------------------

    def _body(
        self, estimate: Estimate, asked: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        own = {**self.tags, **(asked.get("tags") or {})}
        body = {name: value for name, value in asked.items() if value is not None}
        body["tags"] = {**self.client.tags, **own}
        body["estimate"] = {
            name: value if isinstance(value, int) else str(value)
            for name, value in estimate.items()
            if value is not None
        }
        if self._ttl_seconds is not None:
            body.setdefault("ttl_seconds", self._ttl_seconds)
        return body, own

    def _ask(self, step: str, body: Mapping[str, Any], key: str) -> Decision:
        about = (
            str(body.get("provider")),
            str(body.get("model")),
            repr(sorted(body["tags"].items())),
        )
        try:
            answer = self._calls.post(f"/api/v1/guardrails/{step}", body, key=key)
        except NotReached as error:
            return self._unasked(about, str(error))
        if answer.status >= 400:
            raise answer.error()
        try:
            decision = Decision.read(answer.json())
        except (ValueError, AttributeError) as error:
            return self._unasked(about, str(error))
        self._remember(about, decision.on_failure)
        return decision

    def _unasked(self, about: tuple[str, str, str], why: str) -> Decision:
        wish = self._wish(about)
        log.warning("guard: no decision (%s); failing %s", why, wish)
        reason = Reason("unreachable", f"The guardrail did not answer: {why}")
        decision = "allow" if wish == "open" else "deny"
        return Decision(decision, (reason,), on_failure=wish, answered=False)

    def _wish(self, about: tuple[str, str, str]) -> OnFailure:
        if self._when_unreachable != "server":
            return self._when_unreachable
        with self._lock:
            return self._wishes.get(about, "open")

    def _remember(self, about: tuple[str, str, str], wish: OnFailure | None) -> None:
        if wish is None:
            return
        with self._lock:
            self._wishes[about] = wish
            self._wishes.move_to_end(about)
            if len(self._wishes) > _REMEMBERED:
                self._wishes.popitem(last=False)

    def _post(self, path: str, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        try:
            answer = self._calls.post(path, body, key=key)
        except NotReached as error:
            text = f"The server did not answer ({error})."
            raise ApiError(text, status=0, code="no_answer") from error
        if answer.status >= 400:
            raise answer.error()
        found = answer.json()
        return found if isinstance(found, dict) else {}


def _about(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what makes two questions alike: an answer to one says how to fail with the other."""
    tags = repr(sorted(body["tags"].items()))
    return str(body.get("provider")), str(body.get("model")), tags


class AsyncGuard:
    """A `Guard` for asyncio: takes the same arguments, what waits is awaited."""

    def __init__(self, client: Client | AsyncClient, **options: Any) -> None:
        self.guard = Guard(client, **options)

    async def check(self, *, estimate: Estimate, **asked: Any) -> Decision:
        """Ask without holding anything; see `Guard.check`."""
        return await asyncio.to_thread(self.guard.check, estimate=estimate, **asked)

    def authorize(self, *, estimate: Estimate, **asked: Any) -> Asking:
        """Ask and hold: `async with guard.authorize(...) as hold:`, or await it for the hold."""
        return Asking(self.guard, estimate=estimate, **asked)

    def guarded(
        self, *, estimate: Estimate | Callable[..., Estimate], **asked: Any
    ) -> Callable[[Call], Call]:
        """Decorate a coroutine function; see `Guard.guarded`."""
        return self.guard.guarded(estimate=estimate, **asked)

    def close(self) -> None:
        """Drop the connections."""
        self.guard.close()


class Asking:
    """A question under way; awaited for its hold, or entered as an async block."""

    def __init__(self, guard: Guard, **asked: Any) -> None:
        self._guard = guard
        self._asked = asked
        self._hold: Hold | None = None

    def __await__(self) -> Generator[Any, None, Hold]:
        return self.start().__await__()

    async def __aenter__(self) -> Hold:
        self._hold = await self.start()
        return self._hold.enter()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._hold is not None
        self._hold.leave()
        if not self._hold.ended:
            await asyncio.shield(asyncio.to_thread(self._hold.finish, failed=error is not None))

    async def start(self) -> Hold:
        """Wait for the hold; a task that is cancelled meanwhile gives back what it would hold."""
        asking: Awaitable[Hold] = asyncio.to_thread(self._guard.authorize, **self._asked)
        asking = asyncio.ensure_future(asking)
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(_give_back)
            raise


def _give_back(asking: asyncio.Future[Hold]) -> None:
    if asking.cancelled() or asking.exception() is not None:
        return
    hold = asking.result()
    asyncio.get_running_loop().run_in_executor(None, functools.partial(hold.finish, failed=True))
