"""What the API answers about experiments."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.api.fields import UtcMoment
from apps.core.domain.canonical import plain_decimal


class BandOutput(serializers.Serializer[Any]):
    """Three cases, as decimal strings."""

    low = serializers.CharField()
    likely = serializers.CharField()
    high = serializers.CharField()


class CautionOutput(serializers.Serializer[Any]):
    """Something to look at."""

    code = serializers.CharField()
    severity = serializers.CharField(help_text="info, warn or bad")
    message = serializers.CharField()


class EstimateLineOutput(serializers.Serializer[Any]):
    """One meter of one model; the price is per `unit_size` units."""

    model = serializers.CharField()
    meter = serializers.CharField()
    quantity = BandOutput()
    amount = BandOutput(allow_null=True)
    price = serializers.CharField(allow_null=True)
    unit_size = serializers.IntegerField()
    price_currency = serializers.CharField()
    price_source = serializers.CharField()
    price_since = serializers.CharField(allow_null=True)


class ExperimentEstimateOutput(serializers.Serializer[Any]):
    """What plans cost; without a band something has no price."""

    currency = serializers.CharField()
    amount = serializers.CharField(allow_null=True)
    band = BandOutput(allow_null=True)
    tokens = BandOutput()
    lines = EstimateLineOutput(many=True)
    cautions = CautionOutput(many=True)
    history = serializers.ListField(child=serializers.DictField())
    price_book_version = serializers.IntegerField()
    priced_at = serializers.CharField()


class BallotOutput(serializers.Serializer[Any]):
    """What one person said."""

    step = serializers.CharField()
    verdict = serializers.CharField()
    comment = serializers.CharField()
    via = serializers.CharField()
    decided_by = serializers.CharField()
    on_behalf_of = serializers.CharField()
    decided_at = UtcMoment()


class ApprovalStepOutput(serializers.Serializer[Any]):
    """One step, and who may decide it now."""

    name = serializers.CharField()
    order = serializers.IntegerField()
    quorum = serializers.IntegerField()
    approvals = serializers.IntegerField()
    state = serializers.CharField()
    approvers = serializers.CharField(source="approvers.in_words")
    seats = serializers.ListField(child=serializers.CharField())
    opened_at = UtcMoment(allow_null=True)
    due_at = UtcMoment(allow_null=True)
    escalated_at = UtcMoment(allow_null=True)


class ApprovalRoundOutput(serializers.Serializer[Any]):
    """One round of approval, and the policy version that it was judged by."""

    number = serializers.IntegerField()
    revision = serializers.IntegerField()
    policy_version = serializers.IntegerField()
    is_amendment = serializers.BooleanField()
    automatic = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())
    amount = serializers.SerializerMethodField()
    currency = serializers.CharField()
    state = serializers.CharField()
    submitted_at = UtcMoment()
    submitted_by = serializers.CharField()
    expires_at = UtcMoment()
    closed_at = UtcMoment(allow_null=True)
    steps = ApprovalStepOutput(many=True)
    decisions = BallotOutput(many=True)

    def get_amount(self, found: Any) -> str:
        """Return the amount as a decimal string."""
        return plain_decimal(found.amount)


class ExperimentSummaryOutput(serializers.Serializer[Any]):
    """A request; amounts in `currency` as decimal strings."""

    id = serializers.UUIDField()
    code = serializers.CharField(help_text="value of the tag `experiment`")
    title = serializers.CharField()
    team = serializers.CharField()
    owner = serializers.CharField()
    requested_by = serializers.CharField()
    state = serializers.CharField()
    currency = serializers.CharField()
    asked = serializers.CharField(allow_null=True)
    amount = serializers.CharField(allow_null=True, help_text="approved")
    released = serializers.CharField(allow_null=True, help_text="given back at the end")
    starts_on = serializers.DateField()
    ends_on = serializers.DateField()
    revision = serializers.IntegerField()
    created_at = UtcMoment()
    started_at = UtcMoment(allow_null=True)
    ended_at = UtcMoment(allow_null=True)
    end_reason = serializers.CharField()
    budget = serializers.UUIDField(allow_null=True)


class BurnOutput(serializers.Serializer[Any]):
    """The granted money, live."""

    amount = serializers.CharField()
    spent = serializers.CharField()
    held = serializers.CharField()
    left = serializers.CharField()
    currency = serializers.CharField()
    starts_on = serializers.DateField()
    ends_on = serializers.DateField()


class ExperimentOutcomeOutput(serializers.Serializer[Any]):
    """What it came to; ratios are null where there is nothing to divide by."""

    currency = serializers.CharField()
    spent = serializers.CharField(allow_null=True)
    approved = serializers.CharField(allow_null=True)
    likely = serializers.CharField(allow_null=True)
    tokens = serializers.CharField()
    requests = serializers.IntegerField()
    outcome = serializers.CharField()
    successes = serializers.IntegerField()
    target = serializers.IntegerField(allow_null=True)
    value_each = serializers.CharField(allow_null=True)
    value = serializers.CharField(allow_null=True)
    cost_per_success = serializers.CharField(allow_null=True)
    tokens_per_success = serializers.CharField(allow_null=True)
    cost_per_request = serializers.CharField(allow_null=True)
    roi = serializers.CharField(allow_null=True)
    expected_roi = serializers.CharField(allow_null=True)
    against_estimate = serializers.CharField(allow_null=True)
    missing_successes = serializers.CharField()


class ForeignUseOutput(serializers.Serializer[Any]):
    """Use of the tag by another team: it draws their own budgets, not the grant."""

    team = serializers.CharField(help_text="empty: the usage names no team")
    requests = serializers.IntegerField()
    tokens = serializers.CharField()
    cost = serializers.CharField(allow_null=True, help_text="null while it has no price")
    currency = serializers.CharField()


class OutcomeReportOutput(serializers.Serializer[Any]):
    """An outcome report as it was kept."""

    number = serializers.IntegerField()
    figures = ExperimentOutcomeOutput()
    lessons = serializers.CharField()
    reason = serializers.CharField()
    created_at = UtcMoment()
    created_by = serializers.CharField()


class ExperimentOutput(ExperimentSummaryOutput):
    """A request with everything about it."""

    hypothesis = serializers.CharField()
    roi_case = serializers.CharField()
    environments = serializers.ListField(child=serializers.CharField())
    sensitivity = serializers.CharField()
    limit = serializers.CharField()
    max_context_tokens = serializers.IntegerField()
    plans = serializers.ListField(child=serializers.DictField())
    product = serializers.CharField()
    feature = serializers.CharField()
    outcome_name = serializers.CharField()
    outcome_target = serializers.IntegerField(allow_null=True)
    outcome_value = serializers.CharField(allow_null=True)
    estimate = ExperimentEstimateOutput()
    rounds = ApprovalRoundOutput(many=True)
    steps = ApprovalStepOutput(many=True, help_text="of the last round")
    decisions = BallotOutput(many=True, help_text="of the last round")
    burn = BurnOutput(allow_null=True)
    outcome = ExperimentOutcomeOutput(allow_null=True)
    foreign_use = ForeignUseOutput(many=True)
    reports = OutcomeReportOutput(many=True)
    files = serializers.ListField(child=serializers.DictField())


class ExperimentPage(serializers.Serializer[Any]):
    """A page of requests."""

    results = ExperimentSummaryOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class DelegationOutput(serializers.Serializer[Any]):
    """A stand-in."""

    id = serializers.UUIDField(source="public_id")
    absent = serializers.CharField(source="absent_email")
    delegate = serializers.CharField(source="delegate_email")
    starts_on = serializers.DateField()
    ends_on = serializers.DateField()
    reason = serializers.CharField()


class DelegationPage(serializers.Serializer[Any]):
    """Stand-ins that are not ended."""

    results = DelegationOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ApprovalPolicyOutput(serializers.Serializer[Any]):
    """The policy in force; version 0 holds until one is stated."""

    version = serializers.IntegerField()
    policy = serializers.DictField()
    note = serializers.CharField()
    created_by = serializers.CharField()
    created_at = UtcMoment(allow_null=True)


class SimulatedOutput(serializers.Serializer[Any]):
    """One submission of the past under another policy."""

    code = serializers.CharField()
    title = serializers.CharField()
    team = serializers.CharField()
    amount = serializers.SerializerMethodField()
    currency = serializers.CharField()
    submitted_at = UtcMoment()
    before = serializers.ListField(child=serializers.CharField())
    after = serializers.ListField(child=serializers.CharField())
    reasons = serializers.ListField(child=serializers.CharField())
    changes = serializers.BooleanField()

    def get_amount(self, found: Any) -> str:
        """Return the amount as a decimal string."""
        return plain_decimal(found.amount)


class SimulationOutput(serializers.Serializer[Any]):
    """The past under another policy."""

    changed = serializers.IntegerField()
    automatic_before = serializers.IntegerField()
    automatic_after = serializers.IntegerField()
    rows = SimulatedOutput(many=True)


class ExperimentCommitmentOutput(serializers.Serializer[Any]):
    """Money that is approved and not yet spent."""

    code = serializers.CharField()
    title = serializers.CharField()
    team = serializers.CharField()
    owner = serializers.CharField()
    amount = serializers.CharField()
    spent = serializers.CharField()
    held = serializers.CharField()
    open = serializers.CharField()
    currency = serializers.CharField()
    ends_on = serializers.DateField()


class ExperimentCommitmentPage(serializers.Serializer[Any]):
    """What is committed, the largest first, and its sum."""

    results = ExperimentCommitmentOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    total = serializers.CharField()
    currency = serializers.CharField()
