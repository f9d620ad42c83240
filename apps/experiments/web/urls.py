"""URLs of the pages of experiments and approvals."""

from __future__ import annotations

from django.urls import path

from apps.experiments.web import (
    approvals,
    detail,
    finance,
    lists,
    outcomes,
    policy,
    record,
    writing,
)

app_name = "experiments"

_ONE = "experiments/<uuid:experiment>/"

urlpatterns = [
    path("experiments/", lists.Experiments.as_view(), name="list"),
    path("experiments/new/", writing.NewRequest.as_view(), name="new"),
    path("experiments/preview/", writing.Preview.as_view(), name="preview"),
    path("experiments/compare/", lists.Compare.as_view(), name="compare"),
    path(_ONE, detail.ExperimentPage.as_view(), name="experiment"),
    path(f"{_ONE}change/", writing.EditRequest.as_view(), name="edit"),
    path(f"{_ONE}submit/", detail.Submit.as_view(), name="submit"),
    path(f"{_ONE}withdraw/", detail.Withdraw.as_view(), name="withdraw"),
    path(f"{_ONE}amend/", detail.AmendPage.as_view(), name="amend"),
    path(f"{_ONE}complete/", detail.Complete.as_view(), name="complete"),
    path(f"{_ONE}lessons/", detail.Lessons.as_view(), name="lessons"),
    path(f"{_ONE}revoke/", detail.Revoke.as_view(), name="revoke"),
    path(f"{_ONE}files/", detail.AddFile.as_view(), name="add_file"),
    path(f"{_ONE}files/<uuid:file>/", detail.FileContent.as_view(), name="file"),
    path(f"{_ONE}record.pdf", record.Record.as_view(), name="record"),
    path("approvals/", approvals.Inbox.as_view(), name="inbox"),
    path("approvals/approve/", approvals.Bulk.as_view(), name="bulk"),
    path("approvals/commitments/", finance.Commitments.as_view(), name="commitments"),
    path("approvals/exceptions/", finance.Exceptions.as_view(), name="exceptions"),
    path("approvals/stand-ins/", finance.Away.as_view(), name="away"),
    path("approvals/stand-ins/<uuid:delegation>/end/", finance.EndAway.as_view(), name="end_away"),
    path("approvals/policy/", policy.PolicyPage.as_view(), name="policy"),
    path("approvals/policy/change/", policy.EditPolicy.as_view(), name="edit_policy"),
    path("approvals/link/<str:token>/", approvals.LinkPage.as_view(), name="link"),
    path("approvals/<uuid:experiment>/", approvals.DecisionPage.as_view(), name="decision"),
    path("approvals/<uuid:experiment>/decide/", approvals.Decide.as_view(), name="decide"),
    path("usage/outcomes/", outcomes.Outcomes.as_view(), name="outcomes"),
]
