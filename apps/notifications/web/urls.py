"""URLs of the notification pages."""

from __future__ import annotations

from django.urls import path

from apps.notifications.web import views

_HERE = "settings/notifications/"

app_name = "notifications"
urlpatterns = [
    path(_HERE, views.Channels.as_view(), name="channels"),
    path(f"{_HERE}new/", views.NewChannel.as_view(), name="new"),
    path(f"{_HERE}<uuid:id>/renew/", views.Renew.as_view(), name="renew"),
    path(f"{_HERE}<uuid:id>/retire/", views.Retire.as_view(), name="retire"),
    path(f"{_HERE}deliveries/", views.Deliveries.as_view(), name="deliveries"),
    path(f"{_HERE}deliveries/retry/", views.Retry.as_view(), name="retry"),
]
