"""URLs of the API about statements, under /api/v1/."""

from __future__ import annotations

from django.urls import path, re_path

from apps.chargeback.api import answers, exports, journals, rollups, views

_ID = r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"

_MONTH = r"(?P<period>[0-9]{4}-[0-9]{2})"
_BATCH = r"(?P<batch>JNL-[0-9]{4}-[0-9]{2}-[0-9]{2,6})"

urlpatterns = [
    path("exports/focus", exports.FocusExport.as_view(), name="focus"),
    path("exports", exports.Exports.as_view()),
    path("exports/<uuid:id>", exports.ExportView.as_view()),
    path("journals", journals.Journals.as_view()),
    path("journals/gaps", journals.Gaps.as_view()),
    path("journals/mappings", journals.Mappings.as_view()),
    re_path(
        rf"^journals/{_MONTH}\.(?P<suffix>csv|xlsx)$",
        journals.JournalFile.as_view(),
        name="journal_file",
    ),
    re_path(rf"^journals/{_BATCH}$", journals.JournalView.as_view()),
    re_path(rf"^journals/{_BATCH}/posted$", journals.Posting.as_view()),
    path("statements", views.Statements.as_view()),
    path("statements/<uuid:id>", views.StatementView.as_view()),
    path("statements/<uuid:id>/acceptance", answers.AcceptanceView.as_view()),
    path("statements/<uuid:id>/accept", answers.Accept.as_view()),
    path("statements/<uuid:id>/dispute", answers.Dispute.as_view()),
    path("statements/<uuid:id>/disputes/<uuid:dispute>/resolve", answers.Resolve.as_view()),
    path("statements/<uuid:id>/disputes/<uuid:dispute>/withdraw", answers.Withdraw.as_view()),
    path(
        "statements/<uuid:id>/files/<uuid:file>",
        answers.DisputeFile.as_view(),
        name="dispute_file",
    ),
    path("rollups", rollups.Rollups.as_view()),
    path("rollups/<uuid:id>", rollups.RollupView.as_view()),
    re_path(
        rf"^rollups/{_ID}\.(?P<suffix>pdf|csv|xlsx)$",
        rollups.RollupFile.as_view(),
        name="rollup_file",
    ),
    path("disputes", answers.Disputes.as_view()),
    path("statements/<uuid:id>/lines/<int:position>", views.StatementLine.as_view()),
    re_path(
        rf"^statements/{_ID}\.(?P<suffix>pdf|csv|xlsx)$",
        views.StatementFile.as_view(),
        name="statement_file",
    ),
]
