"""URLs of bills, provider accounts and attribution."""

from __future__ import annotations

from django.urls import path

from apps.costs.web import attribution, bills, feeds

app_name = "costs"
urlpatterns = [
    path("sources/bills/", bills.Bills.as_view(), name="bills"),
    path("sources/bills/upload/", bills.Upload.as_view(), name="upload"),
    path("sources/bills/<uuid:public_id>/", bills.BillPage.as_view(), name="bill"),
    path("sources/accounts/", bills.Accounts.as_view(), name="accounts"),
    path("sources/accounts/new/", bills.NewAccount.as_view(), name="new_account"),
    path("sources/feeds/", feeds.FeedsPage.as_view(), name="feeds"),
    path("sources/feeds/change/", feeds.ChangeFeed.as_view(), name="change_feed"),
    path("settings/attribution/", attribution.Attribution.as_view(), name="attribution"),
    path("settings/attribution/map/", attribution.MapValue.as_view(), name="map"),
    path("settings/attribution/preview/", attribution.PreviewRule.as_view(), name="preview"),
    path("settings/attribution/rules/new/", attribution.NewRule.as_view(), name="new_rule"),
    path(
        "settings/attribution/rules/<uuid:public_id>/",
        attribution.EditRule.as_view(),
        name="rule",
    ),
    path(
        "settings/attribution/rules/<uuid:public_id>/retire/",
        attribution.RetireRule.as_view(),
        name="retire",
    ),
]
