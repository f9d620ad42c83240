"""The two admin sites: one for a tenant's people, one for the platform's operator."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite


class TenantSite(UnfoldAdminSite):
    """Serves a tenant's host; only its owners and finance people enter."""

    site_header = site_title = "FinOps administration"

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return bool(user.is_active and getattr(user, "role", None) in {"owner", "finance"})


class OperatorSite(UnfoldAdminSite):
    """Serves the bare host; only operators (users of the public schema) enter."""

    site_header = site_title = "FinOps operator"

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)


tenant_site = TenantSite(name="tenant_admin")
operator_site = OperatorSite(name="operator_admin")


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows and changes none; every change goes through a service."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True


__all__ = ["ReadOnlyAdmin", "admin", "operator_site", "tenant_site"]
