"""Shapes of guardrails at the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.budgets.api.serializers import ScopeField
from apps.budgets.domain.budgets import OnFailure
from apps.budgets.domain.decisions import DEFAULT_HOLD, Ask, Decision, Verdict
from apps.budgets.domain.policies import PolicyDraft, PolicyFacts, read_rules
from apps.budgets.selectors import DecisionFacts, DryRun
from apps.budgets.services import PolicyRefused
from apps.core.api.fields import ExactDecimal, KnownFields, MonthField, UtcMoment
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import published

_VERDICTS = [one.value for one in Verdict]
_STRICT = [one.value for one in Verdict if one is not Verdict.ALLOW]


class EstimateInput(KnownFields):
    """What a use is expected to take: tokens of one request and how many requests, or an amount."""

    input_tokens = serializers.IntegerField(default=0, help_text="whole context of one request")
    cached_input_tokens = serializers.IntegerField(default=0, help_text="part of the input")
    output_tokens = serializers.IntegerField(default=0, help_text="at most, of one request")
    requests = serializers.IntegerField(default=1)
    amount = ExactDecimal(max_digits=30, decimal_places=12, default=None, allow_null=True)
    currency = serializers.CharField(max_length=3, default="", allow_blank=True)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse an estimate of no size: what nobody named is not nothing."""
        found = super().to_internal_value(data)
        if all(data.get(name) is None for name in ("input_tokens", "output_tokens", "amount")):
            text = "Give input_tokens, output_tokens or both, or an amount with its currency."
            raise serializers.ValidationError({"input_tokens": [text]}, code="required")
        return found

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an amount without its currency."""
        if (attrs["amount"] is None) != (attrs["currency"] == ""):
            raise serializers.ValidationError(
                {"currency": ["Give amount and currency together, or neither."]}
            )
        return attrs


class AskInput(KnownFields):
    """A use that is planned."""

    provider = serializers.CharField(max_length=200, default="", allow_blank=True)
    model = serializers.CharField(max_length=200, default="", allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(max_length=256), default=dict)
    account = serializers.CharField(max_length=200, default="", allow_blank=True)
    credential = serializers.CharField(max_length=200, default="", allow_blank=True)
    service_tier = serializers.CharField(max_length=200, default="", allow_blank=True)
    region = serializers.CharField(max_length=200, default="", allow_blank=True)
    batch = serializers.BooleanField(default=False)
    estimate = EstimateInput()
    ttl_seconds = serializers.IntegerField(default=DEFAULT_HOLD)

    def to_ask(self) -> Ask:
        """Return what is asked."""
        sent = dict(self.validated_data)
        return Ask(**sent.pop("estimate"), **sent)


class ReasonOutput(serializers.Serializer[Any]):
    """Why the answer is no milder."""

    code = serializers.CharField()
    message = serializers.CharField()
    verdict = serializers.ChoiceField(choices=_VERDICTS)
    budget = serializers.UUIDField(allow_null=True)
    policy = serializers.UUIDField(allow_null=True)


class EstimateOutput(serializers.Serializer[Any]):
    """What the use is expected to cost; null when nobody knows."""

    amount = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_null=True)


class DecisionOutput(serializers.Serializer[Any]):
    """The answer of a guardrail."""

    id = serializers.UUIDField(allow_null=True, help_text="null of a check")
    decision = serializers.ChoiceField(choices=_VERDICTS)
    reasons = ReasonOutput(many=True)
    estimate = EstimateOutput()
    hold = serializers.UUIDField(allow_null=True)
    expires_at = UtcMoment(allow_null=True)
    on_failure = serializers.ChoiceField(
        choices=[one.value for one in OnFailure],
        help_text="what to do when the guardrail cannot be asked",
    )

    def to_representation(self, instance: Decision) -> dict[str, Any]:
        """Return the decision as JSON."""
        return instance.as_dict()


def _moment(value: Any) -> str | None:
    return None if value is None else UtcMoment().to_representation(value)


class PolicyInput(KnownFields):
    """A model policy to put in force."""

    name = serializers.CharField(max_length=200)
    scope = ScopeField(default=dict)
    rules = serializers.DictField(help_text="see docs/guardrails.md")
    verdict = serializers.ChoiceField(choices=_STRICT, default=Verdict.DENY.value)
    on_failure = serializers.ChoiceField(
        choices=[one.value for one in OnFailure], default=OnFailure.OPEN.value
    )
    valid_from = serializers.DateField()
    valid_to = serializers.DateField(default=None, allow_null=True, help_text="first day without")

    def to_draft(self) -> PolicyDraft:
        """Return the policy.

        :raises PolicyRefused: when its rules cannot be; names the fields.
        """
        sent = dict(self.validated_data)
        rules, wrong = read_rules(sent.pop("rules"))
        if rules is None:
            raise PolicyRefused(f"{wrong[0].field}: {wrong[0].message}", errors=wrong)
        verdict, on_failure = Verdict(sent.pop("verdict")), OnFailure(sent.pop("on_failure"))
        return PolicyDraft(rules=rules, verdict=verdict, on_failure=on_failure, **sent)


class DryRunInput(PolicyInput):
    """A policy to try, and the month to try it on."""

    month = MonthField(help_text="2026-10")
    valid_from = serializers.DateField(required=False)

    def to_draft(self) -> PolicyDraft:
        """Return the policy; a dry run takes it as if it had held."""
        month = self.validated_data["month"]
        self.validated_data.setdefault("valid_from", month.first_day)
        kept = dict(self.validated_data)
        del self.validated_data["month"]
        draft = super().to_draft()
        self.validated_data.update(kept)
        return draft


class PolicyOutput(serializers.Serializer[Any]):
    """A model policy."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    scope = ScopeField()
    rules = serializers.DictField()
    verdict = serializers.ChoiceField(choices=_STRICT)
    on_failure = serializers.CharField()
    valid_from = serializers.DateField()
    valid_to = serializers.DateField(allow_null=True)

    def to_representation(self, instance: PolicyFacts) -> dict[str, Any]:
        """Return the policy as JSON."""
        return {
            "id": str(instance.id),
            "name": instance.name,
            "scope": dict(instance.scope),
            "rules": instance.rules.as_json(),
            "verdict": instance.verdict.value,
            "on_failure": instance.on_failure.value,
            "valid_from": instance.valid_from,
            "valid_to": instance.valid_to,
        }


class BlockedOutput(serializers.Serializer[Any]):
    """Requests of a team to a model that the policy objects to."""

    team = serializers.CharField()
    model = serializers.CharField()
    reason = serializers.CharField()
    requests = serializers.IntegerField()
    cost = serializers.DictField(child=serializers.CharField(), help_text="by currency")


class DryRunOutput(serializers.Serializer[Any]):
    """What a policy would have blocked."""

    month = serializers.CharField()
    requests = serializers.IntegerField()
    matched = serializers.IntegerField(help_text="requests in the policy's scope")
    blocked = serializers.IntegerField()
    cost = serializers.DictField(child=serializers.CharField())
    blocked_cost = serializers.DictField(child=serializers.CharField())
    reasons = serializers.DictField(child=serializers.IntegerField())
    rows = BlockedOutput(many=True)
    is_whole = serializers.BooleanField(help_text="false: only the newest requests were judged")

    def to_representation(self, instance: DryRun) -> dict[str, Any]:
        """Return the dry run as JSON."""
        return {
            "month": str(instance.month),
            "requests": instance.requests,
            "matched": instance.matched,
            "blocked": instance.blocked,
            "cost": _sums(instance.cost),
            "blocked_cost": _sums(instance.blocked_cost),
            "reasons": dict(instance.reasons),
            "rows": [
                {
                    "team": row.team,
                    "model": row.model,
                    "reason": row.reason,
                    "requests": row.requests,
                    "cost": _sums(row.cost),
                }
                for row in instance.rows
            ],
            "is_whole": instance.is_whole,
        }


def _sums(sums: Any) -> dict[str, str]:
    return {currency: published(amount) for currency, amount in sorted(sums.items())}


class JustificationInput(KnownFields):
    """Why a scope may use ultra-large contexts."""

    scope = ScopeField(default=dict)
    reason = serializers.CharField(max_length=2000)
    valid_from = serializers.DateField()
    valid_to = serializers.DateField(help_text="first day without")


class JustificationOutput(serializers.Serializer[Any]):
    """Why a scope may use ultra-large contexts."""

    id = serializers.UUIDField()
    scope = ScopeField()
    reason = serializers.CharField()
    valid_from = serializers.DateField()
    valid_to = serializers.DateField()
    created_by = serializers.CharField()


class KeptDecisionOutput(serializers.Serializer[Any]):
    """A decision that was given to an authorization."""

    id = serializers.UUIDField()
    at = UtcMoment()
    actor = serializers.CharField()
    request = serializers.DictField()
    decision = serializers.ChoiceField(choices=_VERDICTS)
    reasons = ReasonOutput(many=True)
    estimate = EstimateOutput()
    hold = serializers.UUIDField(allow_null=True)

    def to_representation(self, instance: DecisionFacts) -> dict[str, Any]:
        """Return the decision as JSON."""
        amount = instance.amount
        return {
            "id": str(instance.id),
            "at": _moment(instance.at),
            "actor": instance.actor,
            "request": dict(instance.request),
            "decision": instance.verdict,
            "reasons": [dict(one) for one in instance.reasons],
            "estimate": {
                "amount": None if amount is None else plain_decimal(amount),
                "currency": instance.currency or None,
            },
            "hold": None if instance.hold is None else str(instance.hold),
        }
