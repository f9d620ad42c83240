"""URLs of the organization pages."""

from __future__ import annotations

from django.urls import path

from apps.directory.web import views

app_name = "directory"
urlpatterns = [
    path("settings/organization/", views.Entries.as_view(), name="organization"),
    path("settings/organization/<slug:kind>/", views.Entries.as_view(), name="entries"),
    path("settings/organization/<slug:kind>/new/", views.NewEntry.as_view(), name="new"),
    path("settings/organization/<slug:kind>/<str:code>/", views.EditEntry.as_view(), name="edit"),
]
