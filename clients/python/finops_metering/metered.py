"""What the wrappers share: they look at answers on their way to the program, and record them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

from finops_metering.guard import Asking, AsyncGuard, Guard
from finops_metering.holds import Hold, current_hold

log = logging.getLogger("finops_metering")

_tags: ContextVar[Mapping[str, str] | None] = ContextVar("finops_metering_tags", default=None)


class Recorder(Protocol):
    """A `Client` or an `AsyncClient`."""

    def record_raw(self, event: Mapping[str, Any]) -> str:
        """Record an event in wire form."""


@contextmanager
def tagged(**tags: str) -> Iterator[None]:
    """Tag every metered call within the block: `with tagged(feature="summarize"): ...`."""
    entered = _tags.set({**(_tags.get() or {}), **tags})
    try:
        yield
    finally:
        _tags.reset(entered)


@dataclass
class Seen:
    """What was seen of one answer so far."""

    id: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    created: float | None = None
    service_tier: str | None = None
    status: str = "ok"
    is_final: bool = False
    """Whether the provider has said what it counted."""


class Reader(Protocol):
    """Reads one kind of answer."""

    operation: str

    def whole(self, answer: Any, seen: Seen) -> None:
        """Read a whole answer."""

    def part(self, item: Any, seen: Seen) -> None:
        """Read one item of a stream."""

    def asks_for_usage(self, body: dict[str, Any]) -> bool:
        """Change a streamed request so that usage comes; True when its item must be hidden."""

    def is_usage_only(self, item: Any) -> bool:
        """Tell whether an item is there for our sake only."""


@dataclass(frozen=True)
class Meter:
    """How one SDK client is metered."""

    recorder: Recorder
    provider: str
    tags: Mapping[str, str]
    fields: Mapping[str, Any]
    readers: Mapping[str, Reader]
    include_usage: bool = True
    guard: Guard | AsyncGuard | None = None

    def attach(self, resource: Any) -> None:
        """Look at everything that a resource of an SDK posts."""
        post = resource._post
        if getattr(post, "finops_metered", False):
            return
        metered = self._async(post) if inspect.iscoroutinefunction(post) else self._sync(post)
        metered.finops_metered = True  # type: ignore[attr-defined]
        resource._post = metered

    def _sync(self, post: Callable[..., Any]) -> Callable[..., Any]:
        def metered(path: str, *args: Any, **kwargs: Any) -> Any:
            call, kwargs = self._call(path, kwargs)
            if call is None:
                return post(path, *args, **kwargs)
            own = self._ask(call)
            call.hold = own or current_hold()
            try:
                answer = post(path, *args, **kwargs)
            except BaseException:
                if own:
                    own.finish(failed=True)
                raise
            return call.watch(answer)

        return metered

    def _async(self, post: Callable[..., Any]) -> Callable[..., Any]:
        async def metered(path: str, *args: Any, **kwargs: Any) -> Any:
            call, kwargs = self._call(path, kwargs)
            if call is None:
                return await post(path, *args, **kwargs)
            own = await self._ask_async(call)
            call.hold = own or current_hold()
            try:
                answer = await post(path, *args, **kwargs)
            except BaseException:
                if own:
                    await asyncio.shield(asyncio.to_thread(own.finish, failed=True))
                raise
            return call.watch(answer)

        return metered

    def _ask(self, call: Call) -> Hold | None:
        """Authorize a call of its own; within an authorized block it is part of that."""
        guard = _core(self.guard)
        return None if guard is None or current_hold() else guard.authorize(**call.question(guard))

    async def _ask_async(self, call: Call) -> Hold | None:
        guard = _core(self.guard)
        if guard is None or current_hold():
            return None
        return await Asking(guard, **call.question(guard))

    def _call(self, path: str, kwargs: dict[str, Any]) -> tuple[Call | None, dict[str, Any]]:
        """Prepare to watch a call; whatever goes wrong, the call goes out as it was."""
        try:
            reader = self.readers.get(path)
            if reader is None:
                return None, kwargs
            body = kwargs.get("body")
            call = Call(self, reader, tags={**self.tags, **(_tags.get() or {})})
            if isinstance(body, Mapping):
                call.body = body
                model = body.get("model")
                call.seen.model = model if isinstance(model, str) else None
                if kwargs.get("stream") and self.include_usage:
                    changed = dict(body)
                    call.hides_usage = reader.asks_for_usage(changed)
                    kwargs = {**kwargs, "body": changed}
        except Exception:
            log.exception("metering: a call could not be watched")
            return None, kwargs
        return call, kwargs


@dataclass
class Call:
    """One call that is watched."""

    meter: Meter
    reader: Reader
    tags: Mapping[str, str]
    seen: Seen = field(default_factory=Seen)
    hides_usage: bool = False
    is_recorded: bool = False
    hold: Hold | None = None
    body: Mapping[str, Any] = field(default_factory=dict)

    def question(self, guard: Guard) -> dict[str, Any]:
        """Return what the guard is asked about the call."""
        return {
            "provider": self.meter.provider,
            "model": self.seen.model,
            "tags": dict(self.tags),
            "estimate": guard.estimate_of(self.body, operation=self.reader.operation),
            **{name: self.meter.fields.get(name) for name in ("account", "credential", "region")},
        }

    def watch(self, answer: Any) -> Any:
        """Read an answer, or look on while it streams; returns it as it came."""
        try:
            if hasattr(answer, "_iterator") and hasattr(answer, "response"):
                self._watch_stream(answer)
            else:
                self._read_whole(answer)
        except Exception:
            log.exception("metering: an answer could not be read")
        return answer

    def _read_whole(self, answer: Any) -> None:
        if type(answer).__name__ == "LegacyAPIResponse":  # from with_raw_response
            answer = answer.parse()
            if hasattr(answer, "_iterator"):
                self._watch_stream(answer)
                return
        self.reader.whole(answer, self.seen)
        if self.seen.usage is not None:
            self.record()

    def _watch_stream(self, stream: Any) -> None:
        """Pass a stream's items through us; closing it ends the watch."""
        source = stream._iterator
        own = weakref.ref(stream)  # no cycle: a stream that is dropped ends at once
        if hasattr(source, "__anext__"):
            stream._iterator = self._looking_on_async(source)

            async def aclose() -> None:
                self.record()
                if (open_stream := own()) is not None:
                    await type(open_stream).close(open_stream)

            stream.close = aclose
        else:
            stream._iterator = self._looking_on(source)

            def close() -> None:
                self.record()
                if (open_stream := own()) is not None:
                    type(open_stream).close(open_stream)

            stream.close = close

    def _looking_on(self, items: Iterator[Any]) -> Iterator[Any]:
        try:
            for item in items:
                if not self._look(item):
                    yield item
        finally:
            self.record()
            _close(items)

    async def _looking_on_async(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for item in items:
                if not self._look(item):
                    yield item
        finally:
            self.record()
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    def _look(self, item: Any) -> bool:
        """Read an item; True when it must be hidden from the program."""
        try:
            self.reader.part(item, self.seen)
            return self.hides_usage and self.reader.is_usage_only(item)
        except Exception:
            log.exception("metering: a part of a stream could not be read")
            return False

    def record(self) -> None:
        """Record the call, once; a stream that broke off as `partial`, with what is known."""
        if self.is_recorded:
            return
        self.is_recorded = True
        try:
            event = self._event()
            if event is not None:
                event = self.hold.marked(event) if self.hold else event
                self.meter.recorder.record_raw(event)
        except Exception:
            log.exception("metering: a call could not be recorded")

    def _event(self) -> dict[str, Any] | None:
        seen = self.seen
        if seen.usage is None and seen.id is None:
            return None
        known = {"raw_usage": seen.usage} if seen.usage else {"usage": {"input_tokens": 0}}
        streamed_whole = seen.is_final and seen.usage is not None
        return {
            **self.meter.fields,
            **known,
            "id": seen.id,
            "provider": self.meter.provider,
            "model": seen.model,
            "operation": self.reader.operation,
            "service_tier": None if seen.service_tier == "auto" else seen.service_tier,
            "status": seen.status if streamed_whole or seen.status != "ok" else "partial",
            "time": _moment(seen.created),
            "tags": dict(self.tags),
        }


def _core(guard: Guard | AsyncGuard | None) -> Guard | None:
    return guard.guard if isinstance(guard, AsyncGuard) else guard


def plain(model: Any) -> dict[str, Any] | None:
    """Return a usage object of an SDK as the provider sent it, without what is null."""
    if model is None:
        return None
    if isinstance(model, Mapping):
        found = dict(model)
    else:
        found = model.model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in found.items() if value is not None}


def text(value: Any) -> str | None:
    """Return a text that is one."""
    return value if isinstance(value, str) and value else None


def attach_all(meter: Meter, root: Any, *paths: str) -> None:
    """Meter the resources that an SDK client has; a version without one is no error."""
    for path in paths:
        resource = root
        try:
            for name in path.split("."):
                resource = getattr(resource, name)
            meter.attach(resource)
        except Exception:
            log.exception("metering: %s of this SDK cannot be metered", path)


def follow_copies(root: Any, wrap: Callable[[Any], Any]) -> None:
    """Meter what `with_options` and `copy` of a client return, too."""
    for name in ("copy", "with_options"):
        made = getattr(root, name, None)
        if made is not None:
            setattr(root, name, _wrapped(made, wrap))


def _wrapped(made: Callable[..., Any], wrap: Callable[[Any], Any]) -> Callable[..., Any]:
    def copied(*args: Any, **kwargs: Any) -> Any:
        return wrap(made(*args, **kwargs))

    return copied


def _moment(created: float | None) -> datetime | None:
    return None if created is None else datetime.fromtimestamp(created, timezone.utc)


def _close(items: Any) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()
