"""Shows people and keys on both admin sites; passwords and hashes never."""

from __future__ import annotations

from apps.accounts.models import ApiKey, KeptAnswer, TeamMembership, User
from apps.core.admin import ReadOnlyAdmin, admin, operator_site, tenant_site


@admin.register(User, site=tenant_site)
@admin.register(User, site=operator_site)
class UserAdmin(ReadOnlyAdmin):
    """Who can sign in."""

    list_display = ("email", "name", "role", "is_active", "last_login", "created_at")
    list_filter = ("role", "is_active")
    search_fields = ("email", "name")
    ordering = ("email",)
    exclude = ("password",)


@admin.register(TeamMembership, site=tenant_site)
class TeamMembershipAdmin(ReadOnlyAdmin):
    """Whose spend a member sees."""

    list_display = ("user", "team")
    list_filter = ("team",)
    list_select_related = ("user",)
    ordering = ("team", "user")


@admin.register(ApiKey, site=tenant_site)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys without their secrets."""

    list_display = (
        "name",
        "prefix",
        "kind",
        "user",
        "requests_per_second",
        "events_per_second",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("kind",)
    list_select_related = ("user",)
    search_fields = ("name", "prefix")
    ordering = ("-id",)
    exclude = ("key_hash",)


@admin.register(KeptAnswer, site=tenant_site)
class KeptAnswerAdmin(ReadOnlyAdmin):
    """Requests that carried an Idempotency-Key, without their answers."""

    list_display = ("owner", "key", "status", "created_at")
    search_fields = ("owner", "key")
    ordering = ("-id",)
    exclude = ("request_digest", "body")
