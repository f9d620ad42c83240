"""URLs of the operator's pages, on the bare host."""

from __future__ import annotations

from django.urls import include, path

from finops_platform.operator import views

app_name = "operator"
urlpatterns = [
    path("", views.Tenants.as_view(), name="tenants"),
    path("prices/", include("finops_platform.operator.prices.urls")),
    path("tenants/new/", views.NewTenant.as_view(), name="new"),
    path("tenants/<slug:slug>/", views.TenantPage.as_view(), name="tenant"),
    path("tenants/<slug:slug>/suspend/", views.Suspend.as_view(), name="suspend"),
    path("tenants/<slug:slug>/limits/", views.Limit.as_view(), name="limits"),
    path("tenants/<slug:slug>/resume/", views.Resume.as_view(), name="resume"),
    path("tenants/<slug:slug>/provision/", views.Retry.as_view(), name="retry"),
    path("tenants/<slug:slug>/invitation/", views.Invitation.as_view(), name="invitation"),
]
