"""URLs of a tenant's pages about people and keys."""

from __future__ import annotations

from django.urls import path

from apps.accounts.web import sign_in_urls
from apps.accounts.web.views import keys, people

app_name = "accounts"
urlpatterns = [
    *sign_in_urls.urlpatterns,
    path("settings/people/", people.People.as_view(), name="people"),
    path("settings/people/new/", people.NewPerson.as_view(), name="person_new"),
    path("settings/people/<uuid:person>/", people.PersonPage.as_view(), name="person"),
    path(
        "settings/people/<uuid:person>/deactivate/",
        people.Deactivate.as_view(),
        name="person_deactivate",
    ),
    path(
        "settings/people/<uuid:person>/reactivate/",
        people.Reactivate.as_view(),
        name="person_reactivate",
    ),
    path("settings/api-keys/", keys.Keys.as_view(), name="keys"),
    path("settings/api-keys/new/", keys.NewKey.as_view(), name="key_new"),
    path("settings/api-keys/<uuid:key>/limits/", keys.LimitKey.as_view(), name="key_limits"),
    path("settings/api-keys/<uuid:key>/revoke/", keys.RevokeKey.as_view(), name="key_revoke"),
]
