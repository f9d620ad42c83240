"""URLs of the home page."""

from __future__ import annotations

from django.urls import path

from apps.insights.web.commitments import CommitmentPage
from apps.insights.web.views import Home
from apps.insights.web.what_if import WhatIf

app_name = "insights"
urlpatterns = [
    path("", Home.as_view(), name="home"),
    path("prices/commitments/<uuid:commitment>/", CommitmentPage.as_view(), name="commitment"),
    path("prices/what-if/", WhatIf.as_view(), name="what_if"),
]
