"""The outbox, to look at."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.notifications.models import Delivery


@admin.register(Delivery, site=tenant_site)
class DeliveryAdmin(ReadOnlyAdmin):
    """Messages and how far they have come."""

    list_display = ("message", "recipient", "state", "attempts", "due_at", "sent_at")
    list_filter = ("state",)
    search_fields = ("message", "recipient", "subject")
