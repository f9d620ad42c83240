"""URLs of the pages of budgets and guardrails."""

from __future__ import annotations

from django.urls import path

from apps.budgets.web import budgets, guardrails

app_name = "budgets"
urlpatterns = [
    path("budgets/", budgets.Budgets.as_view(), name="budgets"),
    path("budgets/new/", budgets.NewBudget.as_view(), name="new"),
    path("budgets/<uuid:budget>/", budgets.BudgetPage.as_view(), name="budget"),
    path("budgets/<uuid:budget>/edit/", budgets.EditBudget.as_view(), name="edit"),
    path("budgets/<uuid:budget>/raise/", budgets.RaiseBudget.as_view(), name="raise"),
    path("budgets/<uuid:budget>/snooze/", budgets.SnoozeBudget.as_view(), name="snooze"),
    path("budgets/<uuid:budget>/retire/", budgets.RetireBudget.as_view(), name="retire"),
    path("guardrails/", guardrails.Tester.as_view(), name="tester"),
    path("guardrails/policies/", guardrails.Policies.as_view(), name="policies"),
    path("guardrails/policies/new/", guardrails.NewPolicy.as_view(), name="new_policy"),
    path("guardrails/policies/<uuid:policy>/", guardrails.EditPolicy.as_view(), name="policy"),
    path(
        "guardrails/policies/<uuid:policy>/retire/",
        guardrails.RetirePolicy.as_view(),
        name="retire_policy",
    ),
    path("guardrails/decisions/", guardrails.Decisions.as_view(), name="decisions"),
]
