"""What the API takes about experiments."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api.fields import ExactDecimal, KnownFields
from apps.experiments.domain.bands import Counts
from apps.experiments.domain.proposals import (
    LimitKind,
    ModelPlan,
    Proposal,
    Sensitivity,
    without_blanks,
)
from apps.experiments.domain.states import Verdict

MONEY: dict[str, Any] = {"max_digits": 24, "decimal_places": 12}


class CountsInput(KnownFields):
    """A count in three cases; one number means that it is known."""

    low = serializers.IntegerField(min_value=0)
    likely = serializers.IntegerField(min_value=0)
    high = serializers.IntegerField(min_value=0)
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": 'Give a whole number, or {{"low": 500, "likely": 1000, "high": 2000}}.'
    }

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
            data = {"low": data, "likely": data, "high": data}
        return super().to_internal_value(data)


class ModelPlanInput(KnownFields):
    """Runs of one model, and the tokens of each."""

    provider = serializers.CharField(max_length=255)
    model = serializers.CharField(max_length=255)
    runs = CountsInput(help_text="a number, or low, likely and high")
    input_tokens = CountsInput(help_text="of one run, with what the cache serves")
    output_tokens = CountsInput(help_text="of one run")
    cache_share = ExactDecimal(
        max_digits=10, decimal_places=9, default=Decimal(0), help_text="0 to 1 of the input"
    )
    batch = serializers.BooleanField(default=False)
    service_tier = serializers.CharField(max_length=64, default="", allow_blank=True)

    @staticmethod
    def to_plan(values: Mapping[str, Any]) -> ModelPlan:
        """Return the plan of validated values."""
        bands = ("runs", "input_tokens", "output_tokens")
        return ModelPlan(**{**values, **{name: Counts(**values[name]) for name in bands}})


class ExperimentEstimateInput(KnownFields):
    """Plans to price; nothing is kept."""

    plans = ModelPlanInput(many=True)
    team = serializers.CharField(max_length=64, default="", allow_blank=True)
    amount = ExactDecimal(**MONEY, required=False, allow_null=True, default=None)

    def to_plans(self) -> tuple[ModelPlan, ...]:
        """Return the plans."""
        return tuple(ModelPlanInput.to_plan(plan) for plan in self.validated_data["plans"])


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


class ProposalInput(KnownFields):
    """What a request says."""

    title = serializers.CharField(max_length=200)
    hypothesis = serializers.CharField(max_length=4000)
    owner = serializers.CharField(
        max_length=254, required=False, help_text="who spends it, by e-mail; else who asks"
    )
    team = serializers.CharField(max_length=64, required=False, help_text="else your only one")
    plans = ModelPlanInput(many=True)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(help_text="last day")
    amount = ExactDecimal(
        **MONEY,
        required=False,
        allow_null=True,
        default=None,
        help_text="in your currency; else the high end of the estimate",
    )
    max_context_tokens = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1
    )
    environments = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=20, default=list
    )
    sensitivity = serializers.ChoiceField(
        choices=[one.value for one in Sensitivity], default=Sensitivity.INTERNAL.value
    )
    limit = serializers.ChoiceField(
        choices=[one.value for one in LimitKind], default=LimitKind.HARD.value
    )
    outcome_name = serializers.CharField(max_length=200, default="", allow_blank=True)
    outcome_target = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1
    )
    outcome_value = ExactDecimal(
        **MONEY, required=False, allow_null=True, default=None, help_text="of one success"
    )
    roi_case = serializers.CharField(max_length=4000, default="", allow_blank=True)
    product = serializers.CharField(
        max_length=64, default="", allow_blank=True, help_text="tag of its usage, if it carries one"
    )
    feature = serializers.CharField(
        max_length=64, default="", allow_blank=True, help_text="tag of its usage, if it carries one"
    )

    def to_proposal(self, *, owner: str, team: str) -> Proposal:
        """Return the content; `owner` and `team` fill in what was not said."""
        said = dict(self.validated_data)
        return Proposal(
            **{
                **said,
                "owner": said.get("owner") or owner,
                "team": said.get("team") or team,
                "plans": tuple(ModelPlanInput.to_plan(plan) for plan in said["plans"]),
                "environments": without_blanks(said["environments"]),
                "sensitivity": Sensitivity(said["sensitivity"]),
                "limit": LimitKind(said["limit"]),
            }
        )


class ExperimentCreateInput(ProposalInput):
    """A new request, and the tag where its usage carries one already."""

    code = serializers.CharField(
        max_length=40, default="", allow_blank=True, help_text="the tag; else exp-<n>"
    )

    def to_proposal(self, *, owner: str, team: str) -> Proposal:
        """Return the content without the tag."""
        self._validated_data = _without(self.validated_data, "code")
        return super().to_proposal(owner=owner, team=team)


class ExperimentEditInput(ProposalInput):
    """The whole content anew, and why."""

    note = serializers.CharField(max_length=2000, default="", allow_blank=True)

    def to_proposal(self, *, owner: str, team: str) -> Proposal:
        """Return the content without the note."""
        self._validated_data = _without(self.validated_data, "note")
        return super().to_proposal(owner=owner, team=team)


class ExperimentAmendInput(KnownFields):
    """More money, more time, or both."""

    amount = ExactDecimal(
        **MONEY, required=False, allow_null=True, default=None, help_text="the new total"
    )
    ends_on = serializers.DateField(required=False, allow_null=True, default=None)
    note = serializers.CharField(max_length=2000, help_text="why")


class ExperimentReasonInput(KnownFields):
    """Why."""

    reason = serializers.CharField(max_length=1000, default="", allow_blank=True)


class ExperimentLessonsInput(KnownFields):
    """What was learned."""

    lessons = serializers.CharField(max_length=4000, default="", allow_blank=True)


class BallotInput(KnownFields):
    """What an approver says; anything but yes says why."""

    verdict = serializers.ChoiceField(choices=[one.value for one in Verdict])
    comment = serializers.CharField(max_length=2000, default="", allow_blank=True)


class DelegationInput(KnownFields):
    """Who stands in for whom."""

    absent = serializers.CharField(max_length=254, required=False, help_text="else yourself")
    delegate = serializers.CharField(max_length=254)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(help_text="last day")
    reason = serializers.CharField(max_length=200, default="", allow_blank=True)


class ApprovalPolicyInput(KnownFields):
    """A whole policy, and why it is changed."""

    policy = serializers.JSONField(help_text="see docs/experiments.md")
    note = serializers.CharField(max_length=2000)
    after = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="the version you have seen"
    )


class SimulationInput(KnownFields):
    """A policy to try on the past."""

    policy = serializers.JSONField(help_text="see docs/experiments.md")
    days = serializers.IntegerField(min_value=1, max_value=400, default=90)
