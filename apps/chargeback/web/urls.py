"""URLs of the statement pages."""

from __future__ import annotations

from django.urls import path, re_path

from apps.chargeback.web import months, views

_MONTH = r"statements/(?P<month>[0-9]{4}-[0-9]{2})"
_ONE = rf"{_MONTH}/(?P<cost_center>[A-Za-z0-9][A-Za-z0-9._-]{{0,63}})"

app_name = "chargeback"
urlpatterns = [
    path("statements/", months.Months.as_view(), name="months"),
    path("statements/terms/", months.TermsPage.as_view(), name="terms"),
    re_path(rf"^{_MONTH}/$", months.MonthStatements.as_view(), name="month"),
    re_path(rf"^{_ONE}/$", views.Overview.as_view(), name="overview"),
    re_path(rf"^{_ONE}/lines/$", views.Lines.as_view(), name="lines"),
    re_path(rf"^{_ONE}/lines/(?P<position>[0-9]{{1,6}})/$", views.Line.as_view(), name="line"),
    re_path(rf"^{_ONE}/explanation/$", views.ExplanationTab.as_view(), name="explanation"),
    re_path(rf"^{_ONE}/history/$", views.History.as_view(), name="history"),
]
