"""URLs of the API about budgets and guardrails, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.budgets.api import budgets, guardrails

urlpatterns = [
    path("budgets", budgets.Budgets.as_view()),
    path("budgets/<uuid:budget>", budgets.OneBudget.as_view()),
    path("budgets/<uuid:budget>/retire", budgets.RetireBudget.as_view()),
    path("budgets/<uuid:budget>/raises", budgets.RaiseBudget.as_view()),
    path("budgets/<uuid:budget>/snooze", budgets.SnoozeBudget.as_view()),
    path("guardrails/check", guardrails.Check.as_view()),
    path("guardrails/authorize", guardrails.Authorize.as_view()),
    path("guardrails/decisions", guardrails.Decisions.as_view()),
    path("guardrails/policies", guardrails.Policies.as_view()),
    path("guardrails/policies/dry-run", guardrails.TryPolicy.as_view()),
    path("guardrails/policies/<uuid:policy>", guardrails.OnePolicy.as_view()),
    path("guardrails/policies/<uuid:policy>/retire", guardrails.RetirePolicy.as_view()),
    path("guardrails/justifications", guardrails.Justifications.as_view()),
]
