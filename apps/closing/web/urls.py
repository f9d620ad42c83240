"""URLs of the month pages."""

from __future__ import annotations

from django.urls import path, re_path

from apps.closing.web import policy, views

app_name = "closing"

_MONTH = r"^month/(?P<month>[0-9]{4}-[0-9]{2})/"

urlpatterns = [
    path("month/schedule/", policy.PolicyPage.as_view(), name="policy"),
    path("month/", views.Periods.as_view(), name="periods"),
    re_path(rf"{_MONTH}$", views.MonthPage.as_view(), name="month"),
    re_path(rf"{_MONTH}progress/$", views.Progress.as_view(), name="progress"),
    *(
        re_path(rf"{_MONTH}{address}/$", view, name=address.replace("/", "_"))
        for address, view in views.DEEDS.items()
    ),
]
