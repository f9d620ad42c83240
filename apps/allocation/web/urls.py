"""URLs of the allocation pages."""

from __future__ import annotations

from django.urls import path

from apps.allocation.web import adjustments, drivers, runs, views

app_name = "allocation"

urlpatterns = [
    path("month/rules/", views.Rules.as_view(), name="rules"),
    path("month/rules/new/", views.NewRule.as_view(), name="new"),
    path("month/rules/preview/", views.PreviewRule.as_view(), name="preview"),
    path("month/rules/<str:code>/", views.RulePage.as_view(), name="rule"),
    path("month/rules/<str:code>/change/", views.EditRule.as_view(), name="edit"),
    path("month/rules/<str:code>/end/", views.EndRule.as_view(), name="end"),
    path("month/drivers/", drivers.Drivers.as_view(), name="drivers"),
    path("month/drivers/new/", drivers.EnterDriver.as_view(), name="driver_new"),
    path(
        "month/drivers/<str:month>/<str:axis>/<str:code>/",
        drivers.DriverPage.as_view(),
        name="driver",
    ),
    path("month/adjustments/", adjustments.Adjustments.as_view(), name="adjustments"),
    path("month/adjustments/new/", adjustments.NewAdjustment.as_view(), name="adjustment_new"),
    path(
        "month/adjustments/<uuid:adjustment>/",
        adjustments.AdjustmentPage.as_view(),
        name="adjustment",
    ),
    path(
        "month/adjustments/<uuid:adjustment>/approve/",
        adjustments.ApproveAdjustment.as_view(),
        name="adjustment_approve",
    ),
    path(
        "month/adjustments/<uuid:adjustment>/reject/",
        adjustments.RejectAdjustment.as_view(),
        name="adjustment_reject",
    ),
    path(
        "month/adjustments/<uuid:adjustment>/withdraw/",
        adjustments.WithdrawAdjustment.as_view(),
        name="adjustment_withdraw",
    ),
    path("month/runs/", runs.Runs.as_view(), name="runs"),
    path("month/runs/<uuid:run>/", runs.RunPage.as_view(), name="run"),
    path("month/runs/<uuid:run>/compare/", runs.Comparison.as_view(), name="compare"),
]
