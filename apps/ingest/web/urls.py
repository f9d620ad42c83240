"""URLs of the usage pages. A source or an id with slashes is named as `?source=&id=`."""

from __future__ import annotations

from django.urls import path

from apps.ingest.web import (
    backfills,
    events,
    imports,
    mappings,
    meanings,
    price_corrections,
    receipts,
    solve,
    unpriced,
    views,
)

app_name = "usage"
urlpatterns = [
    path("usage/", views.Log.as_view(), name="log"),
    path("usage/events/", events.EventPage.as_view(), name="event_named"),
    path("usage/events/void/", events.VoidEvent.as_view(), name="void"),
    path("usage/events/revert/", events.RevertEvent.as_view(), name="revert"),
    path("usage/events/<str:source>/<str:event_id>/", events.EventPage.as_view(), name="event"),
    path("usage/receipts/", receipts.Receipts.as_view(), name="receipts"),
    path("usage/receipts/<uuid:batch>/", receipts.ReceiptPage.as_view(), name="receipt"),
    path("usage/imports/", imports.Imports.as_view(), name="imports"),
    path("usage/imports/new/", imports.Upload.as_view(), name="upload"),
    path("usage/imports/<uuid:import_id>/", imports.ImportPage.as_view(), name="import"),
    path(
        "usage/imports/<uuid:import_id>/cancel/",
        imports.CancelImport.as_view(),
        name="import_cancel",
    ),
    path(
        "usage/imports/<uuid:import_id>/errors.csv",
        imports.ErrorReport.as_view(),
        name="import_errors",
    ),
    path("settings/event-mappings/", mappings.Mappings.as_view(), name="mappings"),
    path("settings/event-mappings/new/", mappings.NewMapping.as_view(), name="mapping_new"),
    path("settings/event-mappings/preview/", mappings.Preview.as_view(), name="mapping_preview"),
    path("settings/event-mappings/<uuid:mapping>/", mappings.MappingPage.as_view(), name="mapping"),
    path(
        "settings/event-mappings/<uuid:mapping>/retire/",
        mappings.RetireMapping.as_view(),
        name="mapping_retire",
    ),
    path("usage/backfills/", backfills.BackfillsPage.as_view(), name="backfills"),
    path("usage/backfills/new/", backfills.NewBackfill.as_view(), name="backfill_new"),
    path("usage/backfills/<uuid:backfill>/", backfills.BackfillPage.as_view(), name="backfill"),
    path(
        "usage/backfills/<uuid:backfill>/close/",
        backfills.CloseBackfill.as_view(),
        name="backfill_close",
    ),
    path(
        "usage/backfills/<uuid:backfill>/abandon/",
        backfills.AbandonBackfill.as_view(),
        name="backfill_abandon",
    ),
    path(
        "usage/backfills/<uuid:backfill>/revert/",
        backfills.RevertBackfill.as_view(),
        name="backfill_revert",
    ),
    path("usage/unpriced/", unpriced.UnpricedPage.as_view(), name="unpriced"),
    path("usage/unpriced/solve/", solve.SolvePage.as_view(), name="solve"),
    path("usage/unpriced/mappings/", meanings.MeaningsPage.as_view(), name="meanings"),
    path(
        "usage/unpriced/mappings/<uuid:mapping>/",
        meanings.MeaningPage.as_view(),
        name="meaning",
    ),
    path(
        "usage/unpriced/mappings/<uuid:mapping>/end/",
        meanings.EndMeaning.as_view(),
        name="meaning_end",
    ),
    path(
        "usage/unpriced/mappings/<uuid:mapping>/withdraw/",
        meanings.WithdrawMeaning.as_view(),
        name="meaning_withdraw",
    ),
    path(
        "usage/unpriced/closed/",
        price_corrections.PriceCorrectionsPage.as_view(),
        name="price_corrections",
    ),
    path(
        "usage/unpriced/closed/<str:month>/",
        price_corrections.PriceCorrectionPage.as_view(),
        name="price_correction",
    ),
]
