"""The catalog of what is told: topics, how grave a notice is, and ways by which a person learns."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Topic(StrEnum):
    """What a channel or a person can be told of."""

    STATEMENT_ISSUED = "statement.issued"
    STATEMENT_REMINDER = "statement.reminder"
    STATEMENT_ACCEPTED = "statement.accepted"
    STATEMENT_DISPUTED = "statement.disputed"
    DISPUTE_RESOLVED = "statement.dispute_resolved"
    JOURNAL_EXPORTED = "journal.exported"
    CLOSE_REMINDER = "close.reminder"
    CLOSE_REVIEW = "close.review"
    PERIOD_CLOSED = "period.closed"
    BUDGET_ALERT = "budget.alert"
    BUDGET_FORECAST = "budget.forecast"
    BUDGET_ESCALATED = "budget.escalated"
    BUDGET_CHANGED = "budget.changed"
    GUARDRAIL_BLOCKED = "guardrail.blocked"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_REMINDER = "approval.reminder"
    APPROVAL_ESCALATED = "approval.escalated"
    APPROVAL_DECIDED = "approval.decided"
    EXPERIMENT_ENDED = "experiment.ended"


WORDS: Final = MappingProxyType(
    {
        Topic.STATEMENT_ISSUED: "A statement is issued",
        Topic.STATEMENT_REMINDER: "A statement waits for its owner",
        Topic.STATEMENT_ACCEPTED: "A statement is accepted",
        Topic.STATEMENT_DISPUTED: "A statement is disputed",
        Topic.DISPUTE_RESOLVED: "A dispute is decided or withdrawn",
        Topic.JOURNAL_EXPORTED: "A journal is ready for the ledger",
        Topic.CLOSE_REMINDER: "A month is due to be closed",
        Topic.CLOSE_REVIEW: "A close waits for its second person",
        Topic.PERIOD_CLOSED: "A month is closed or reopened",
        Topic.BUDGET_ALERT: "Spend crosses a threshold of a budget",
        Topic.BUDGET_FORECAST: "A budget is forecast to run out",
        Topic.BUDGET_ESCALATED: "An alert of a budget was left without an answer",
        Topic.BUDGET_CHANGED: "A budget is changed or raised",
        Topic.GUARDRAIL_BLOCKED: "A guardrail blocks spend",
        Topic.APPROVAL_REQUESTED: "A request waits for a decision",
        Topic.APPROVAL_REMINDER: "A decision is almost late",
        Topic.APPROVAL_ESCALATED: "A decision is late and passed on",
        Topic.APPROVAL_DECIDED: "A request is decided",
        Topic.EXPERIMENT_ENDED: "An experiment ends",
    }
)

GROUPS: Final = (
    (
        "Statements and journals",
        (
            Topic.STATEMENT_ISSUED,
            Topic.STATEMENT_REMINDER,
            Topic.STATEMENT_ACCEPTED,
            Topic.STATEMENT_DISPUTED,
            Topic.DISPUTE_RESOLVED,
            Topic.JOURNAL_EXPORTED,
        ),
    ),
    ("Month close", (Topic.CLOSE_REMINDER, Topic.CLOSE_REVIEW, Topic.PERIOD_CLOSED)),
    (
        "Budgets and guardrails",
        (
            Topic.BUDGET_ALERT,
            Topic.BUDGET_FORECAST,
            Topic.BUDGET_ESCALATED,
            Topic.BUDGET_CHANGED,
            Topic.GUARDRAIL_BLOCKED,
        ),
    ),
    (
        "Experiments and approvals",
        (
            Topic.APPROVAL_REQUESTED,
            Topic.APPROVAL_REMINDER,
            Topic.APPROVAL_ESCALATED,
            Topic.APPROVAL_DECIDED,
            Topic.EXPERIMENT_ENDED,
        ),
    ),
)
"""Every topic once, in the order in which pages list them."""


class Severity(StrEnum):
    """How grave a notice is; what is critical waits for no digest."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Medium(StrEnum):
    """How a person learns of something."""

    INBOX = "inbox"
    EMAIL = "email"


class Cadence(StrEnum):
    """When a person learns of something."""

    OFF = "off"
    AT_ONCE = "at_once"
    DIGEST = "digest"
