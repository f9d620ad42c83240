"""URLs of a tenant's own host; its API also answers on the bare host, to keys."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from apps.core.admin import tenant_site

handler400 = "finops_platform.errors.bad_request"
handler403 = "finops_platform.errors.forbidden"
handler404 = "finops_platform.errors.not_found"
handler500 = "finops_platform.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.insights.web.urls")),
    path("style/", include("apps.core.web.urls")),
    path("", include("apps.accounts.web.urls")),
    path("", include("apps.audit.web.urls")),
    path("", include("apps.allocation.web.urls")),
    path("", include("apps.experiments.web.urls")),
    path("", include("apps.chargeback.web.urls")),
    path("", include("apps.closing.web.urls")),
    path("", include("apps.rating.web.urls")),
    path("", include("apps.periods.web.urls")),
    path("", include("apps.directory.web.urls")),
    path("", include("apps.costs.web.urls")),
    path("", include("apps.budgets.web.urls")),
    path("", include("apps.ingest.web.urls")),
    path("", include("apps.notifications.web.urls")),
    path("", include("finops_platform.reference")),
    path("api/v1/", include("apps.accounts.api.urls")),
    path("api/v1/", include("apps.audit.api.urls")),
    path("api/v1/", include("apps.allocation.api.urls")),
    path("api/v1/", include("apps.experiments.api.urls")),
    path("api/v1/", include("apps.chargeback.api.urls")),
    path("api/v1/", include("apps.closing.api.urls")),
    path("api/v1/", include("apps.insights.api.urls")),
    path("api/v1/", include("apps.rating.api.urls")),
    path("api/v1/", include("apps.notifications.api.urls")),
    path("api/v1/", include("apps.periods.api.urls")),
    path("api/v1/", include("apps.directory.api.urls")),
    path("api/v1/", include("apps.costs.api.urls")),
    path("api/v1/", include("apps.budgets.api.urls")),
    path("api/v1/", include("apps.ingest.api.urls")),
    path("", include("apps.ingest.api.traces")),
    path("admin/", tenant_site.urls),
]
