"""The outbox, to look at."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.notifications.models import Channel, Delivery, Subscription


@admin.register(Delivery, site=tenant_site)
class DeliveryAdmin(ReadOnlyAdmin):
    """Messages and how far they have come."""

    list_display = ("message", "recipient", "state", "attempts", "due_at", "sent_at")
    list_filter = ("state",)
    search_fields = ("message", "recipient", "subject")
    exclude = ("text",)  # it holds links that open without a sign-in


@admin.register(Channel, site=tenant_site)
class ChannelAdmin(ReadOnlyAdmin):
    """Mailboxes and webhooks, and since when."""

    list_display = ("name", "kind", "address", "generation", "created_at", "retired_at")
    list_filter = ("kind",)


@admin.register(Subscription, site=tenant_site)
class SubscriptionAdmin(ReadOnlyAdmin):
    """What channels are told of."""

    list_display = ("channel", "topic")
    list_filter = ("topic",)
    list_select_related = ("channel",)
