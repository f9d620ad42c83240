"""The outbox and the inboxes, to look at."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.notifications.models import Channel, Delivery, PersonalNotice, Preference, Subscription


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

    list_display = ("name", "kind", "generation", "created_at", "retired_at")
    list_filter = ("kind",)
    exclude = ("address",)  # whoever knows Slack's may post there


@admin.register(Subscription, site=tenant_site)
class SubscriptionAdmin(ReadOnlyAdmin):
    """What channels are told of."""

    list_display = ("channel", "topic")
    list_filter = ("topic",)
    list_select_related = ("channel",)


@admin.register(PersonalNotice, site=tenant_site)
class PersonalNoticeAdmin(ReadOnlyAdmin):
    """What people were told, and whether they read it."""

    list_display = ("message", "person", "severity", "in_inbox", "digest", "created_at", "read_at")
    list_filter = ("topic", "severity", "digest")
    search_fields = ("message", "subject")
    list_select_related = ("person",)


@admin.register(Preference, site=tenant_site)
class PreferenceAdmin(ReadOnlyAdmin):
    """What people chose to be told of."""

    list_display = ("person", "topic", "medium", "cadence")
    list_filter = ("medium", "cadence")
    list_select_related = ("person",)
