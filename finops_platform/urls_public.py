"""URLs of the bare host: the operator's site. The API for keys goes through `urls_tenant`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from apps.core.admin import operator_site

handler400 = "finops_platform.errors.bad_request"
handler403 = "finops_platform.errors.forbidden"
handler404 = "finops_platform.errors.not_found"
handler500 = "finops_platform.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("finops_platform.operator.urls")),
    path("", include("finops_platform.reference")),
    path("", include("apps.accounts.web.sign_in_urls")),
    path("admin/", operator_site.urls),
]
