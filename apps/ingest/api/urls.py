"""URLs of the API about usage, under /api/v1/.

Ids may hold slashes. A source with slashes, a URI, is named as `?source=&id=` (rule 27).
"""

from __future__ import annotations

from django.urls import path

from apps.ingest.api import backfills, mappings, meanings, views
from apps.ingest.api.events import events
from apps.ingest.api.foreign import ForeignBatch, ForeignEvents
from apps.ingest.api.holds import SettleHold, VoidHold
from apps.ingest.api.imports import CancelImport, ImportErrors, Imports, OneImport
from apps.ingest.api.litellm import LiteLLM

urlpatterns = [
    path("usage/event-mappings", mappings.EventMappings.as_view()),
    path("usage/event-mappings/preview", mappings.TryEventMapping.as_view()),
    path("usage/event-mappings/<uuid:mapping>", mappings.OneEventMapping.as_view()),
    path("usage/event-mappings/<uuid:mapping>/retire", mappings.RetireEventMapping.as_view()),
    path("events", ForeignEvents.as_view()),
    path("events/batch", ForeignBatch.as_view()),
    path("usage/events", events),
    path("usage/events/void", views.VoidNamedEvent.as_view()),
    path("usage/events/amend", views.AmendNamedEvent.as_view()),
    path("usage/events/revert", views.RevertNamedEvent.as_view()),
    path("usage/events/<str:source>/<path:event_id>/void", views.VoidEvent.as_view()),
    path("usage/events/<str:source>/<path:event_id>/amend", views.AmendEvent.as_view()),
    path("usage/events/<str:source>/<path:event_id>/revert", views.RevertEvent.as_view()),
    path("usage/events/<str:source>/<path:event_id>", views.OneEvent.as_view()),
    path("usage/backfills", backfills.Backfills.as_view()),
    path("usage/backfills/<uuid:backfill>", backfills.OneBackfill.as_view()),
    path("usage/backfills/<uuid:backfill>/events", backfills.BackfillEvents.as_view()),
    path("usage/backfills/<uuid:backfill>/close", backfills.CloseBackfill.as_view()),
    path("usage/backfills/<uuid:backfill>/revert", backfills.RevertBackfill.as_view()),
    path("usage/backfills/<uuid:backfill>/abandon", backfills.AbandonBackfill.as_view()),
    path("usage/unpriced", meanings.Unpriced.as_view()),
    path("prices/mappings", meanings.Mappings.as_view()),
    path("prices/mappings/<uuid:mapping>", meanings.OneMapping.as_view()),
    path("prices/mappings/<uuid:mapping>/end", meanings.EndMapping.as_view()),
    path("prices/mappings/<uuid:mapping>/withdraw", meanings.WithdrawMapping.as_view()),
    path("prices/corrections", meanings.PriceCorrections.as_view()),
    path("usage/outcomes", views.Outcomes.as_view()),
    path("usage/batches/<uuid:batch>", views.OneBatch.as_view()),
    path("usage/imports", Imports.as_view()),
    path("usage/imports/<uuid:import_id>", OneImport.as_view()),
    path("usage/imports/<uuid:import_id>/cancel", CancelImport.as_view()),
    path("usage/imports/<uuid:import_id>/errors.csv", ImportErrors.as_view()),
    path("ingest/litellm", LiteLLM.as_view()),
    path("guardrails/holds/<uuid:hold>/settle", SettleHold.as_view()),
    path("guardrails/holds/<uuid:hold>/void", VoidHold.as_view()),
    path("usage/summary", views.Summary.as_view()),
]
