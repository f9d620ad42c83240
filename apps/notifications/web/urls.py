"""URLs of the notification pages."""

from __future__ import annotations

from django.urls import path

from apps.notifications.web import channels, deliveries, inbox

_HERE = "settings/notifications/"

app_name = "notifications"
urlpatterns = [
    path("inbox/", inbox.Inbox.as_view(), name="inbox"),
    path("inbox/read/", inbox.Read.as_view(), name="read"),
    path("inbox/preferences/", inbox.PreferencesPage.as_view(), name="preferences"),
    path("inbox/<uuid:id>/", inbox.Entry.as_view(), name="entry"),
    path(_HERE, channels.Channels.as_view(), name="channels"),
    path(f"{_HERE}new/", channels.NewChannel.as_view(), name="new"),
    path(f"{_HERE}<uuid:id>/", channels.EditChannel.as_view(), name="edit"),
    path(f"{_HERE}<uuid:id>/test/", channels.SendTest.as_view(), name="test"),
    path(f"{_HERE}<uuid:id>/renew/", channels.Renew.as_view(), name="renew"),
    path(f"{_HERE}<uuid:id>/retire/", channels.Retire.as_view(), name="retire"),
    path(f"{_HERE}deliveries/", deliveries.Deliveries.as_view(), name="deliveries"),
    path(f"{_HERE}deliveries/retry/", deliveries.Retry.as_view(), name="retry"),
]
