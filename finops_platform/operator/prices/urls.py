"""URLs of the operator's pages of prices."""

from __future__ import annotations

from django.urls import path, re_path

from finops_platform.operator.prices import changes, history, views

urlpatterns = [
    path("", views.Sources.as_view(), name="prices"),
    path("sync/", views.Sync.as_view(), name="price_sync"),
    path("load/", views.Load.as_view(), name="price_load"),
    path("imports/<uuid:public_id>/", views.ImportPage.as_view(), name="price_import"),
    path("changes/", changes.Changes.as_view(), name="price_changes"),
    re_path(
        r"^changes/(?P<verdict>approve|reject)/$", changes.Decide.as_view(), name="price_decision"
    ),
    path("changes/<uuid:public_id>/", changes.ChangePage.as_view(), name="price_change"),
    path("history/", history.History.as_view(), name="price_history"),
]
