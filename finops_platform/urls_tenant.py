"""URLs of a tenant's own host; its API also answers on the bare host, to keys."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from apps.core.admin import tenant_site

handler400 = "apps.core.web.errors.bad_request"
handler403 = "apps.core.web.errors.forbidden"
handler404 = "apps.core.web.errors.not_found"
handler500 = "apps.core.web.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.accounts.web.urls")),
    path("", include("apps.audit.web.urls")),
    path("", include("apps.rating.web.urls")),
    path("api/v1/", include("apps.accounts.api.urls")),
    path("api/v1/", include("apps.audit.api.urls")),
    path("api/v1/", include("apps.rating.api.urls")),
    path("admin/", tenant_site.urls),
]
