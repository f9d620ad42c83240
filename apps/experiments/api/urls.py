"""URLs of the API about experiments and approvals, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.experiments.api import rules, views

_ONE = "experiments/<uuid:experiment>"

urlpatterns = [
    path("experiments", views.Experiments.as_view()),
    path("experiments/estimate", views.Estimate.as_view()),
    path(_ONE, views.OneExperiment.as_view()),
    path(f"{_ONE}/submit", views.Submit.as_view()),
    path(f"{_ONE}/withdraw", views.Withdraw.as_view()),
    path(f"{_ONE}/amend", views.Amend.as_view()),
    path(f"{_ONE}/complete", views.Complete.as_view()),
    path(f"{_ONE}/lessons", views.Lessons.as_view()),
    path(f"{_ONE}/revoke", views.Revoke.as_view()),
    path(f"{_ONE}/decisions", views.Decisions.as_view()),
    path(f"{_ONE}/files", views.Files.as_view()),
    path("approval-policy", rules.Policy.as_view()),
    path("approval-policy/simulate", rules.Simulate.as_view()),
    path("delegations", rules.Delegations.as_view()),
    path("delegations/<uuid:delegation>/end", rules.EndDelegation.as_view()),
    path("commitments", rules.Commitments.as_view()),
]
