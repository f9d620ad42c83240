"""URLs of the API about closes, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.closing.api import policy, views

urlpatterns = [
    path("periods/<str:month>/close", views.ClosePeriod.as_view()),
    path("periods/<str:month>/reopen", views.ReopenPeriod.as_view()),
    path("periods/<str:month>/reopen/approve", views.ApproveReopen.as_view()),
    path("close-policy", policy.ClosePolicy.as_view()),
    path("close-runs/<uuid:run>", views.CloseRun.as_view()),
    path("close-runs/<uuid:run>/approve", views.ApproveClose.as_view()),
    path("close-runs/<uuid:run>/prepare-again", views.PrepareCloseAgain.as_view()),
    path("close-runs/<uuid:run>/cancel", views.CancelClose.as_view()),
]
