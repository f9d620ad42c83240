"""Idempotency-Keys of several requests that are done in one transaction.

For those who ask the database several things at once: here are the statements, and what their rows
say. `answers.answer_once` is the same for one request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from django.db import connection

from apps.accounts.services.answers import (
    KEPT,
    LOCK,
    Answer,
    again,
    check_key,
    key_in_flight,
)
from apps.core.db import current_schema

_TAKE: Final = """
SELECT pg_try_advisory_xact_lock(%s, hashtext(o.name)) FROM unnest(%s::text[]) AS o(name)
"""
_ALL_TAKEN: Final = f"""
NOT EXISTS (SELECT 1 FROM unnest(%(claims)s::text[]) AS o(name)
             WHERE NOT pg_try_advisory_xact_lock({LOCK}, hashtext(o.name)))
"""  # noqa: S608 - a number of ours
_FIND: Final = """
SELECT a.owner, a.key, a.request_digest, a.status, a.content_type, a.body
  FROM unnest(%s::text[], %s::text[]) AS o(owner, key)
  JOIN {schema}.accounts_keptanswer a ON a.owner = o.owner AND a.key = o.key
 WHERE a.created_at > %s
"""
_KEEP: Final = """
INSERT INTO {schema}.accounts_keptanswer AS kept (owner, key, request_digest, status, content_type,
       body, created_at)
SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::int2[], %s::text[], %s::bytea[],
                     %s::timestamptz[])
ON CONFLICT (owner, key) DO UPDATE SET request_digest = excluded.request_digest,
       status = excluded.status, content_type = excluded.content_type, body = excluded.body,
       created_at = excluded.created_at
"""
_ADD: Final = """
INSERT INTO {schema}.accounts_keptanswer (owner, key, request_digest, status, content_type, body,
       created_at)
SELECT a.owner, a.key, decode(a.digest, 'hex'), a.status, a.kind, convert_to(a.body, 'UTF8'), a.at
  FROM jsonb_to_recordset(%(answers)s::jsonb) AS a(owner text, key text, digest text,
       status smallint, kind text, body text, at timestamptz)
"""

Statement = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Claim:
    """An Idempotency-Key of somebody, and the digest of what came with it."""

    owner: str
    key: str
    digest: bytes

    @property
    def name(self) -> tuple[str, str]:
        """Return what tells it from others."""
        return self.owner, self.key


class Claims(NamedTuple):
    """What became of claims: those that are ours, and what is answered to the others."""

    mine: frozenset[tuple[str, str]]
    kept: Mapping[tuple[str, str], tuple[bytes, Answer]]

    def settled(self, claim: Claim) -> Answer | None:
        """Return what was answered before; None when the request is to be done now.

        :raises KeyReused: when the key came with another request.
        :raises KeyInFlight: when the first request is still being worked on.
        """
        if claim.name not in self.mine:
            raise key_in_flight()
        known = self.kept.get(claim.name)
        return None if known is None else again(known[0], claim.digest, known[1])


def claim(*, owner: str, key: str, request: bytes) -> Claim:
    """Return the claim of a request; `request` is everything that makes two requests the same.

    :raises KeyNotUsable: when the key cannot be one.
    """
    check_key(key)
    return Claim(owner, key, blake2b(request, digest_size=16).digest())


def take_claims(claims: Sequence[Claim]) -> Statement:
    """Return the statement that holds the keys until the transaction ends: a row each, in order."""
    return _TAKE, [LOCK, claim_names(claims)]


def find_answers(claims: Sequence[Claim], *, now: datetime) -> Statement:
    """Return the statement that finds what was answered; run it after that of `take_claims`."""
    owners, keys = [one.owner for one in claims], [one.key for one in claims]
    return _qualified(_FIND), [owners, keys, now - KEPT]


def read_claims(
    claims: Sequence[Claim],
    taken: Iterable[tuple[bool]],
    found: Iterable[tuple[Any, ...]],
) -> Claims:
    """Return what became of claims, by the rows of both statements."""
    mine = {one.name for one, (is_mine,) in zip(claims, taken, strict=True) if is_mine}
    kept = {
        (owner, key): (bytes(digest), Answer(status, kind, bytes(body), replayed=True))
        for owner, key, digest, status, kind, body in found
    }
    return Claims(frozenset(mine), kept)


def keep_answers(answers: Sequence[tuple[Claim, Answer]], *, now: datetime) -> Statement:
    """Return the statement that keeps what is answered, successes only."""
    rows = [
        (one.owner, one.key, one.digest, each.status, each.content_type, each.body, now)
        for one, each in answers
    ]
    return _qualified(_KEEP), [list(column) for column in zip(*rows, strict=True)]


def claimed_clause() -> str:
    """Return the condition that the keys `%(claims)s` (`claim_names`) could all be taken."""
    return _ALL_TAKEN


def kept_clause(condition: str) -> str:
    """Return the INSERT of the answers `%(answers)s` (`answers_shown`) under a condition.

    It fails on a key that is kept already, which `find_answers` then finds.
    """
    return _qualified(f"{_ADD} WHERE {condition}")


def claim_names(claims: Sequence[Claim]) -> list[str]:
    """Return what the database locks for keys."""
    schema = current_schema()
    return [f"{schema}/{one.owner}/{one.key}" for one in claims]


def answers_shown(
    answers: Sequence[tuple[Claim, Answer]], *, now: datetime
) -> list[dict[str, Any]]:
    """Return answers as rows of JSON; their bodies are text."""
    return [
        {
            "owner": one.owner,
            "key": one.key,
            "digest": one.digest.hex(),
            "status": answer.status,
            "kind": answer.content_type,
            "body": answer.body.decode(),
            "at": now,
        }
        for one, answer in answers
    ]


def _qualified(statement: str) -> str:
    return statement.replace("{schema}", connection.ops.quote_name(current_schema()))
