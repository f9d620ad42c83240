"""URLs of the API about people and keys, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.accounts.api import views

urlpatterns = [
    path("api-keys", views.ApiKeys.as_view()),
    path("api-keys/<uuid:key>", views.ApiKey.as_view()),
    path("people", views.People.as_view()),
    path("people/<uuid:person>", views.Person.as_view()),
]
