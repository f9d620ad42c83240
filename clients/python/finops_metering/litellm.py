"""Guards and meters LiteLLM, as a proxy and as a library.

In the proxy's configuration, no file of your own is needed:

    litellm_settings:
      callbacks: ["finops_metering.litellm.hook"]

with `FINOPS_URL` and `FINOPS_KEY` in its environment. In a program:

    litellm.callbacks = [FinOpsGuard(Guard(client))]

It meters each successful call itself; take LiteLLM's `generic_api` callback out beside it.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from threading import Lock
from typing import Any, Literal

import litellm
from litellm.integrations.custom_logger import CustomLogger

from finops_metering.client import Client
from finops_metering.decisions import Denied
from finops_metering.guard import Asking, AsyncGuard, Guard
from finops_metering.holds import Hold, current_hold
from finops_metering.ids import minter
from finops_metering.litellm_calls import event_of, is_guarded, is_use, operation_of, tags_of

log = logging.getLogger("finops_metering")

_MOST_CALLS = 10_000
"""Calls under way whose holds are remembered; what falls out expires on the server."""


EndedBy = Literal["call", "proxy", "block"]
"""Whose failure ends a hold: the call's, or that of what it is a part of."""


class FinOpsGuard(CustomLogger):
    """Authorizes each call before it goes out, meters it when it is done, voids what failed.

    The event of a call has the id that LiteLLM logs it by, and names the hold.

    :param models: provider/model of the proxy's own model names, where they are not the proxy's
        first deployment of that name.
    """

    def __init__(
        self, guard: Guard | AsyncGuard, *, models: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.guard = guard.guard if isinstance(guard, AsyncGuard) else guard
        self._models = dict(models or {})
        self._holds: OrderedDict[str, tuple[Hold, EndedBy]] = OrderedDict()
        self._lock = Lock()

    # The proxy ---------------------------------------------------------------------------------

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> None:
        """Authorize a request of the proxy; a refused one is answered 403 with the reasons."""
        if not is_guarded(call_type):
            return
        try:
            hold = await Asking(self.guard, **self._question(data, call_type, user_api_key_dict))
        except Denied as refused:
            raise _http_error(refused) from refused
        call = data.setdefault("litellm_call_id", minter.mint())
        self._keep(str(call), hold, ended_by="proxy")

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: str | None = None,
    ) -> None:
        """Give back what a request of the proxy held that failed, after its last try."""
        hold = self._taken(request_data.get("litellm_call_id"))
        if hold is not None:
            await asyncio.to_thread(hold.finish, failed=True)

    # The library -------------------------------------------------------------------------------

    async def async_pre_call_deployment_hook(
        self, kwargs: dict[str, Any], call_type: Any
    ) -> dict[str, Any] | None:
        """Authorize a call that comes by no proxy; `Denied` goes to its caller."""
        call = str(kwargs.get("litellm_call_id") or "")
        kind = str(getattr(call_type, "value", call_type) or "")
        if not call or not is_guarded(kind) or self._knows(call):
            return None
        if (block := current_hold()) is not None:
            self._keep(call, block, ended_by="block")
        else:
            self._keep(call, await Asking(self.guard, **self._question(kwargs, kind)))
        return None

    def completion(self, model: str, messages: Sequence[Any] | None = None, **kwargs: Any) -> Any:
        """Call `litellm.completion` under the guard: LiteLLM asks nobody before a sync call.

        What it held is given back when the call fails, also where LiteLLM logs no failure, as of a
        model that it knows no provider of.

        :raises Denied: when the answer is no.
        """
        kwargs |= {"model": model, "messages": list(messages or ())}
        call = kwargs.setdefault("litellm_call_id", minter.mint())
        if (block := current_hold()) is not None:
            self._keep(call, block, ended_by="block")
        else:
            self._keep(call, self.guard.authorize(**self._question(kwargs, "completion")))
        try:
            return litellm.completion(**kwargs)
        except Exception:
            self._failed(kwargs)
            raise

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Meter an async call that is done."""
        self._meter(kwargs)

    def log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Meter a sync call that is done."""
        self._meter(kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Give back what a call held that failed."""
        await asyncio.to_thread(self._failed, kwargs)

    def log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Give back what a call held that failed."""
        self._failed(kwargs)

    # Inside ------------------------------------------------------------------------------------

    def _question(self, data: Mapping[str, Any], call_type: str, key: Any = None) -> dict[str, Any]:
        provider, model = self._sold(str(data.get("model") or ""))
        return {
            "provider": provider,
            "model": model,
            "tags": tags_of(data, key),
            "estimate": self.guard.estimate_of(data, operation=operation_of(call_type)),
            "credential": getattr(key, "key_alias", None),
        }

    def _sold(self, name: str) -> tuple[str, str]:
        """Return provider and model of a name that a call uses."""
        name = self._models.get(name) or _deployed(name) or name
        try:
            model, provider, *_ = litellm.get_llm_provider(name)
        except Exception:
            provider, _, model = name.rpartition("/")
        return str(provider or "unknown"), str(model)

    def _meter(self, kwargs: Mapping[str, Any]) -> None:
        logged = kwargs.get("standard_logging_object")
        if not isinstance(logged, Mapping) or not is_use(str(logged.get("call_type") or "")):
            return
        hold = self._taken(kwargs.get("litellm_call_id"))
        try:
            event = event_of(logged, _start(logged))
            if hold is None:
                self.guard.client.record_raw({**event, "tags": tags_of(logged)})
            else:
                hold.record(**event)
        except Exception:
            log.exception("guard: a call of LiteLLM could not be recorded")

    def _failed(self, kwargs: Mapping[str, Any]) -> None:
        """Void what a call held by itself: the proxy may try again, and a block goes on."""
        call = str(kwargs.get("litellm_call_id") or "")
        with self._lock:
            found = self._holds.get(call)
        if found is None or found[1] == "proxy":
            return
        hold = self._taken(call)
        if hold is not None and found[1] == "call":
            hold.finish(failed=True)

    def _keep(self, call: str, hold: Hold, *, ended_by: EndedBy = "call") -> None:
        with self._lock:
            self._holds[call] = (hold, ended_by)
            if len(self._holds) > _MOST_CALLS:
                self._holds.popitem(last=False)

    def _knows(self, call: str) -> bool:
        with self._lock:
            return call in self._holds

    def _taken(self, call: Any) -> Hold | None:
        with self._lock:
            found = self._holds.pop(str(call), None)
        return None if found is None else found[0]


def hook_of_environment() -> FinOpsGuard:
    """Return a hook as the environment says.

    `FINOPS_URL` and `FINOPS_KEY` are required (scopes `usage:write` and `budgets:authorize`);
    `FINOPS_WHEN_UNREACHABLE` is server, open or closed; `FINOPS_SPOOL` a file for bad days.

    :raises KeyError: when address or key are missing.
    """
    client = Client(
        os.environ["FINOPS_URL"],
        os.environ["FINOPS_KEY"],
        source=os.environ.get("FINOPS_SOURCE", "litellm"),
        spool=os.environ.get("FINOPS_SPOOL") or None,
    )
    wish: Any = os.environ.get("FINOPS_WHEN_UNREACHABLE", "server")
    return FinOpsGuard(Guard(client, when_unreachable=wish))


def __getattr__(name: str) -> Any:
    """Make `hook` when the proxy first asks for it."""
    if name != "hook":
        raise AttributeError(name)
    globals()["hook"] = made = hook_of_environment()
    return made


def _deployed(name: str) -> str | None:
    """Return what the proxy's first deployment of a name calls, when a proxy runs here."""
    proxy = sys.modules.get("litellm.proxy.proxy_server")
    router = getattr(proxy, "llm_router", None)
    listed = router.get_model_list(model_name=name) if router is not None else None
    for one in listed or ():
        found = (one.get("litellm_params") or {}).get("model")
        if found:
            return str(found)
    return None


def _http_error(refused: Denied) -> Exception:
    """Return the refusal as the proxy answers it: 403, which no client tries again."""
    answer: Any = importlib.import_module("fastapi").HTTPException  # the proxy brings it along
    decision = refused.decision
    detail = {
        "error": {
            "message": str(refused),
            "type": f"guardrail_{decision.decision}",
            "code": decision.reasons[0].code if decision.reasons else decision.decision,
        }
    }
    made: Exception = answer(status_code=403, detail=detail)
    return made


def _start(logged: Mapping[str, Any]) -> datetime | None:
    started = logged.get("startTime")
    if isinstance(started, int | float):
        return datetime.fromtimestamp(started, timezone.utc)
    return started if isinstance(started, datetime) else None
