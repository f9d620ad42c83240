"""URLs of the statement pages."""

from __future__ import annotations

from django.urls import path, re_path

from apps.chargeback.web import (
    answer_lists,
    answers,
    exports,
    journals,
    months,
    rollups,
    shared,
    views,
)

_MONTH = r"statements/(?P<month>[0-9]{4}-[0-9]{2})"
_ONE = rf"{_MONTH}/(?P<cost_center>[A-Za-z0-9][A-Za-z0-9._-]{{0,63}})"
_DISPUTE = r"(?P<dispute>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"

app_name = "chargeback"
urlpatterns = [
    path("statements/", months.Months.as_view(), name="months"),
    path("statements/terms/", months.TermsPage.as_view(), name="terms"),
    path("statements/shared/<str:token>/", shared.SharedStatement.as_view(), name="shared"),
    path("statements/rollups/<uuid:id>/", rollups.RollupOverview.as_view(), name="rollup"),
    path("statements/rollups/<uuid:id>/lines/", rollups.RollupLines.as_view(), name="rollup_lines"),
    re_path(
        r"^statements/rollups/(?P<month>[0-9]{4}-[0-9]{2})/$",
        rollups.MonthRollups.as_view(),
        name="rollups",
    ),
    re_path(
        r"^statements/rollups/(?P<month>[0-9]{4}-[0-9]{2})/make/$",
        rollups.RollUp.as_view(),
        name="roll_up",
    ),
    path("exports/", exports.Exports.as_view(), name="exports"),
    path("exports/<uuid:id>/progress/", exports.Progress.as_view(), name="export_progress"),
    path("exports/<uuid:id>/download/", exports.Download.as_view(), name="export_download"),
    path("exports/file/<str:token>/", exports.ExportFile.as_view(), name="export_file"),
    path("journals/", journals.Journals.as_view(), name="journals"),
    path("journals/mapping/", journals.MappingPage.as_view(), name="mapping"),
    path("journals/columns/", journals.LayoutPage.as_view(), name="layout"),
    re_path(
        r"^journals/(?P<month>[0-9]{4}-[0-9]{2})/make/$",
        journals.Prepare.as_view(),
        name="prepare_journal",
    ),
    re_path(
        r"^journals/(?P<batch>JNL-[0-9]{4}-[0-9]{2}-[0-9]{2,6})/$",
        journals.JournalPage.as_view(),
        name="journal",
    ),
    path("statements/acceptance/", answer_lists.Acceptances.as_view(), name="acceptances"),
    path("statements/disputes/", answer_lists.Disputes.as_view(), name="disputes"),
    path("statements/answering/", answer_lists.Answering.as_view(), name="answering"),
    path(
        "statements/answering/name/",
        answer_lists.NameResponder.as_view(),
        name="name_responder",
    ),
    path(
        "statements/answering/remove/",
        answer_lists.RemoveResponder.as_view(),
        name="remove_responder",
    ),
    re_path(rf"^{_MONTH}/$", months.MonthStatements.as_view(), name="month"),
    re_path(rf"^{_ONE}/$", views.Overview.as_view(), name="overview"),
    re_path(rf"^{_ONE}/lines/$", views.Lines.as_view(), name="lines"),
    re_path(rf"^{_ONE}/lines/(?P<position>[0-9]{{1,6}})/$", views.Line.as_view(), name="line"),
    re_path(rf"^{_ONE}/explanation/$", views.ExplanationTab.as_view(), name="explanation"),
    re_path(rf"^{_ONE}/acceptance/$", answers.AcceptanceTab.as_view(), name="acceptance"),
    re_path(rf"^{_ONE}/acceptance/accept/$", answers.AcceptDeed.as_view(), name="accept"),
    re_path(rf"^{_ONE}/acceptance/dispute/$", answers.DisputePage.as_view(), name="dispute"),
    re_path(
        rf"^{_ONE}/acceptance/{_DISPUTE}/withdraw/$",
        answers.WithdrawDeed.as_view(),
        name="withdraw",
    ),
    re_path(
        rf"^{_ONE}/acceptance/{_DISPUTE}/resolve/$",
        answers.ResolvePage.as_view(),
        name="resolve",
    ),
    re_path(rf"^{_ONE}/history/$", views.History.as_view(), name="history"),
]
