"""Does a request once, however often it is sent under one Idempotency-Key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from django.db import OperationalError, connection, transaction

from apps.accounts.models import KeptAnswer
from apps.core.db import current_schema
from apps.core.domain.errors import Conflict, FieldError, Invalid

KEPT: Final = timedelta(days=30)
_LONGEST: Final = 255
_ATTEMPTS: Final = 3
_RETRYABLE: Final = frozenset({"40P01", "40001"})
_SUCCESS: Final = range(200, 300)
LOCK: Final = 0x6964656D  # first half of the advisory lock's key; the second is owner and key


_OF_AN_ANSWER: Final = ("request_digest", "status", "content_type", "body", "created_at")


class KeyNotUsable(Invalid):
    """The Idempotency-Key is empty, too long, or not plain text."""

    default_code = "idempotency_key"


class KeyReused(Conflict):
    """The Idempotency-Key came with another request before."""

    default_code = "idempotency_conflict"


class KeyInFlight(Conflict):
    """The first request under the Idempotency-Key is still being worked on."""

    default_code = "idempotency_in_flight"
    retry_after: Final = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with; `replayed` says that it was done before."""

    status: int
    content_type: str
    body: bytes
    replayed: bool = False


def answer_once(
    *, owner: str, key: str, request: bytes, now: datetime, act: Callable[[], Answer]
) -> Answer:
    """Return what `act` answers, or what it answered when the same request came before.

    `request` is everything that makes two requests the same. What `act` does and the memory of its
    answer are one transaction, done again on a deadlock. Only successes are remembered: whoever was
    refused corrects the request and sends it under the same key.

    :raises KeyNotUsable: when the key cannot be one.
    :raises KeyReused: when the key came with another request.
    :raises KeyInFlight: when the first request is still being worked on.
    """
    check_key(key)
    asked = _Asked(owner, key, blake2b(request, digest_size=16).digest(), now)
    for _ in range(_ATTEMPTS - 1):
        try:
            return _once(asked, act)
        except OperationalError as error:
            if connection.in_atomic_block or not _goes_away(error):
                raise
    return _once(asked, act)


def check_key(key: str) -> None:
    """Refuse what cannot be a key.

    :raises KeyNotUsable: naming the header.
    """
    if not 0 < len(key) <= _LONGEST or not key.isprintable():
        message = f"An Idempotency-Key has 1 to {_LONGEST} printable characters."
        raise KeyNotUsable(message, errors=(FieldError("Idempotency-Key", "key", message),))


def key_in_flight() -> KeyInFlight:
    """Return what whoever comes second is told while the first is being worked on."""
    return KeyInFlight(
        "The first request under this Idempotency-Key is still being worked on; send it again "
        "in a second."
    )


def again(known: bytes, digest: bytes, answer: Answer) -> Answer:
    """Return what was answered to a request of a digest, if this is the same one.

    :raises KeyReused: when it is another.
    """
    if known != digest:
        raise KeyReused(
            "This Idempotency-Key came with another request; use a new key for a new request."
        )
    return answer


@dataclass(frozen=True, slots=True)
class _Asked:
    owner: str
    key: str
    digest: bytes
    now: datetime


def _once(asked: _Asked, act: Callable[[], Answer]) -> Answer:
    owner, key, digest, now = asked.owner, asked.key, asked.digest, asked.now
    with transaction.atomic():
        _take(owner, key)
        kept = KeptAnswer.objects.filter(owner=owner, key=key).first()
        if kept is not None and kept.created_at > now - KEPT:
            answer = Answer(kept.status, kept.content_type, bytes(kept.body), replayed=True)
            return again(bytes(kept.request_digest), digest, answer)
        answer = act()
        if answer.status not in _SUCCESS:
            transaction.set_rollback(True)
            return answer
        _keep(owner, key, digest, answer, now)
    return answer


def _goes_away(error: OperationalError) -> bool:
    """Tell whether the whole transaction is to be done again: a deadlock or the like."""
    return getattr(error.__cause__, "sqlstate", None) in _RETRYABLE


def forget_answers(*, now: datetime) -> int:
    """Forget what was answered more than thirty days ago; return how many. Twice gives the same."""
    deleted, _ = KeptAnswer.objects.filter(created_at__lte=now - KEPT).delete()
    return deleted


def _take(owner: str, key: str) -> None:
    """Hold the key for the rest of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))",
            [LOCK, f"{current_schema()}/{owner}/{key}"],
        )
        row = cursor.fetchone()
    if row is None or not row[0]:
        raise key_in_flight()


def _keep(owner: str, key: str, digest: bytes, answer: Answer, now: datetime) -> None:
    row = KeptAnswer(
        owner=owner,
        key=key,
        request_digest=digest,
        status=answer.status,
        content_type=answer.content_type,
        body=answer.body,
        created_at=now,
    )
    KeptAnswer.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["owner", "key"], update_fields=_OF_AN_ANSWER
    )
