"""URLs of the API about notifications, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.notifications.api import channels, inbox

urlpatterns = [
    path("channels", channels.Channels.as_view()),
    path("channels/<uuid:id>", channels.ChannelView.as_view()),
    path("channels/<uuid:id>/test", channels.ChannelTest.as_view()),
    path("channels/<uuid:id>/secret", channels.ChannelSecret.as_view()),
    path("deliveries", channels.Deliveries.as_view()),
    path("deliveries/<uuid:id>", channels.DeliveryView.as_view()),
    path("deliveries/<uuid:id>/retry", channels.DeliveryRetry.as_view()),
    path("inbox", inbox.Inbox.as_view()),
    path("inbox/read", inbox.InboxRead.as_view()),
    path("notification-preferences", inbox.NotificationPreferences.as_view()),
]
