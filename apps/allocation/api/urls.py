"""URLs of the API about allocation, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.allocation.api import adjustments, views

urlpatterns = [
    path("allocation/adjustments", adjustments.Adjustments.as_view()),
    path("allocation/adjustments/<uuid:adjustment>", adjustments.OneAdjustment.as_view()),
    path(
        "allocation/adjustments/<uuid:adjustment>/files/<uuid:file>",
        adjustments.AdjustmentFile.as_view(),
        name="adjustment_file",
    ),
    path(
        "allocation/adjustments/<uuid:adjustment>/approve", adjustments.ApproveAdjustment.as_view()
    ),
    path("allocation/adjustments/<uuid:adjustment>/reject", adjustments.RejectAdjustment.as_view()),
    path(
        "allocation/adjustments/<uuid:adjustment>/withdraw",
        adjustments.WithdrawAdjustment.as_view(),
    ),
    path("allocation/rules", views.Rules.as_view()),
    path("allocation/rules/preview", views.PreviewRules.as_view()),
    path("allocation/rules/<str:code>", views.RuleVersions.as_view()),
    path("allocation/rules/<str:code>/end", views.EndRule.as_view()),
    path("allocation/drivers/<str:month>/<str:axis>/<str:code>", views.Drivers.as_view()),
    path("allocation/what-ifs", views.WhatIfs.as_view()),
    path("allocation/runs", views.Runs.as_view()),
    path("allocation/runs/<uuid:run>", views.Run.as_view()),
]
