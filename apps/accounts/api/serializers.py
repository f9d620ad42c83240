"""What the API takes and gives about people and keys."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from apps.accounts.domain.keys import KeyKind
from apps.accounts.services import KeyRequest
from apps.core.domain.access import Role, Scope
from apps.core.domain.limits import Limits

_PER_SECOND: Final[dict[str, Any]] = {
    "required": False,
    "allow_null": True,
    "min_value": 1,
    "default": None,
}


class LimitsInput(serializers.Serializer):  # type: ignore[type-arg]
    """How fast a key may call; null is the platform's default for a key."""

    requests_per_second = serializers.IntegerField(**_PER_SECOND, help_text="requests a second")
    events_per_second = serializers.IntegerField(**_PER_SECOND, help_text="events a second")

    def to_limits(self) -> Limits:
        """Return the limits."""
        values = self.validated_data
        return Limits(values["requests_per_second"], values["events_per_second"])


class KeyInput(LimitsInput):
    """A key to issue."""

    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=[kind.value for kind in KeyKind])
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[scope.value for scope in Scope]), min_length=1
    )
    bound_tags = serializers.DictField(child=serializers.CharField(max_length=256), default=dict)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)

    def to_request(self) -> KeyRequest:
        """Return what the service is asked for."""
        values = self.validated_data
        return KeyRequest(
            kind=KeyKind(values["kind"]),
            name=values["name"],
            scopes=frozenset(Scope(scope) for scope in values["scopes"]),
            bound_tags=values["bound_tags"],
            expires_at=values["expires_at"],
            limits=self.to_limits(),
        )


class KeyOutput(serializers.Serializer):  # type: ignore[type-arg]
    """A key without its secret."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    owner = serializers.CharField(help_text="e-mail address of a personal key's person, else empty")
    scopes = serializers.ListField(child=serializers.CharField())
    bound_tags = serializers.DictField(child=serializers.CharField())
    requests_per_second = serializers.IntegerField(
        source="limits.requests_per_second", allow_null=True
    )
    events_per_second = serializers.IntegerField(source="limits.events_per_second", allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class IssuedKeyOutput(KeyOutput):
    """A new key with its text, shown this once."""

    key = serializers.CharField(help_text="the key itself; it is shown this once")


class PersonInput(serializers.Serializer):  # type: ignore[type-arg]
    """A person to invite."""

    email = serializers.CharField(max_length=254)
    name = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    role = serializers.ChoiceField(choices=[role.value for role in Role])
    teams = serializers.ListField(child=serializers.CharField(max_length=64), default=list)


class PersonChange(serializers.Serializer):  # type: ignore[type-arg]
    """What of a person to change; what is left out stays."""

    role = serializers.ChoiceField(choices=[role.value for role in Role], required=False)
    teams = serializers.ListField(child=serializers.CharField(max_length=64), required=False)
    active = serializers.BooleanField(required=False)


class PersonOutput(serializers.Serializer):  # type: ignore[type-arg]
    """Somebody who can sign in."""

    id = serializers.UUIDField(source="public_id")
    email = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField()
    teams = serializers.ListField(child=serializers.CharField())
    active = serializers.BooleanField(source="is_active")
    last_login_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
