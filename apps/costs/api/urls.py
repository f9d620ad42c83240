"""URLs of the API about costs, under /api/v1/."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from apps.costs.api import views
from apps.costs.domain.accounts import CODE_PATTERN


class AccountCode(StringConverter):
    """A code that a provider account can have."""

    regex = CODE_PATTERN


register_converter(AccountCode, "account_code")

urlpatterns = [
    path("costs", views.Costs.as_view()),
    path("costs/imports", views.Imports.as_view()),
    path("costs/bills", views.Bills.as_view()),
    path("costs/bills/<uuid:public_id>", views.Bill.as_view()),
    path("costs/accounts", views.Accounts.as_view()),
    path("costs/accounts/<account_code:code>/truth", views.AccountTruth.as_view()),
    path("costs/accounts/<account_code:code>/feeds", views.ModelFeeds.as_view()),
    path("costs/feeds", views.Feeds.as_view()),
]
