"""People, their teams and their keys: of one tenant, or in public of the platform's operator."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from apps.accounts.domain.keys import KEY_LABEL, KeyKind, KeyText
from apps.core.domain.access import Role, Scope
from apps.core.domain.limits import Limits

ROLES = [role.value for role in Role]


class PeopleManager(BaseUserManager["User"]):
    """Finds people by e-mail, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """A person who signs in with an e-mail address and a password."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120)
    role = models.CharField(max_length=12, choices=[(role.value, role.value) for role in Role])
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(
        default=False, help_text="operates the platform; only ever true in the public schema"
    )
    created_at = models.DateTimeField()
    deactivated_at = models.DateTimeField(null=True)

    objects = PeopleManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=ROLES), name="accounts_user_role"),
            models.CheckConstraint(
                condition=Q(email=Lower("email")), name="accounts_user_email_lowercase"
            ),
            models.CheckConstraint(
                condition=Q(is_active=True, deactivated_at__isnull=True)
                | Q(is_active=False, deactivated_at__isnull=False),
                name="accounts_user_deactivated_at",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @classmethod
    def invited(
        cls, *, email: str, name: str, role: Role, now: datetime, is_staff: bool = False
    ) -> User:
        """Insert a person who has no password yet."""
        user = cls(email=email, name=name, role=role.value, is_staff=is_staff, created_at=now)
        user.set_unusable_password()
        user.save(force_insert=True)
        return user

    def get_short_name(self) -> str:
        return self.name or self.email

    get_full_name = get_short_name

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Answer the admin sites, which show everything to whoever may enter them."""
        return self.is_active

    def has_perms(self, perms: Iterable[str], obj: object = None) -> bool:
        """Answer the admin sites; see `has_perm`."""
        return self.is_active

    def has_module_perms(self, app_label: str) -> bool:
        """Answer the admin sites; see `has_perm`."""
        return self.is_active


class TeamMembership(models.Model):
    """A person belongs to a team and sees what it spends; the code is the directory's."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    team = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "team"], name="accounts_membership_once"),
            models.CheckConstraint(condition=~Q(team=""), name="accounts_membership_team"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team}"


class ApiKey(models.Model):
    """A key to the API; of its secret only a hash is kept."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=8)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="keys")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=8, unique=True)
    key_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the key, hex")
    scopes = ArrayField(models.CharField(max_length=32))
    bound_tags = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True, help_text="true to the minute")
    revoked_at = models.DateTimeField(null=True)
    requests_per_second = models.PositiveIntegerField(
        null=True, help_text="requests a second; empty: the platform's default for a key"
    )
    events_per_second = models.PositiveIntegerField(
        null=True, help_text="events a second; empty: the platform's default for a key"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="personal", user__isnull=False)
                | Q(kind="service", user__isnull=True),
                name="accounts_apikey_kind",
            ),
            models.CheckConstraint(condition=~Q(scopes=[]), name="accounts_apikey_scopes"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="accounts_apikey_expires_later",
            ),
            models.CheckConstraint(
                condition=Q(requests_per_second__isnull=True) | Q(requests_per_second__gte=1),
                name="accounts_apikey_requests",
            ),
            models.CheckConstraint(
                condition=Q(events_per_second__isnull=True) | Q(events_per_second__gte=1),
                name="accounts_apikey_events",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (…{self.prefix})"

    @property
    def label(self) -> str:
        """Return what a key that this service key issues says it was issued by; one of a kind."""
        return f"{KEY_LABEL}{self}"

    @classmethod
    def issued(
        cls,
        key: KeyText,
        *,
        kind: KeyKind,
        user_id: int | None,
        name: str,
        scopes: Iterable[Scope],
        bound_tags: Mapping[str, str],
        expires_at: datetime | None,
        limits: Limits,
        created_by: str,
        now: datetime,
    ) -> ApiKey:
        """Insert what is kept of a new key."""
        return cls.objects.create(
            kind=kind.value,
            user_id=user_id,
            name=name,
            prefix=key.prefix,
            key_hash=key.hash,
            scopes=sorted(scope.value for scope in scopes),
            bound_tags=dict(bound_tags),
            created_at=now,
            created_by=created_by,
            expires_at=expires_at,
            requests_per_second=limits.requests_per_second,
            events_per_second=limits.events_per_second,
        )

    @property
    def limits(self) -> Limits:
        """Return how fast the key may call, as far as that was stated."""
        return Limits(self.requests_per_second, self.events_per_second)

    def limit(self, limits: Limits) -> None:
        """Hold the key to other limits."""
        self.requests_per_second = limits.requests_per_second
        self.events_per_second = limits.events_per_second
        self.save(update_fields=["requests_per_second", "events_per_second"])


class KeptAnswer(models.Model):
    """What was answered to a request that carried an Idempotency-Key, to be answered again.

    Written in the transaction of what the request did, so that neither is there without the
    other. Forgotten after thirty days.
    """

    owner = models.CharField(max_length=254, help_text="label of whoever sent it")
    key = models.CharField(max_length=255, help_text="the Idempotency-Key")
    request_digest = models.BinaryField(max_length=16, help_text="of method, address and body")
    status = models.SmallIntegerField(help_text="HTTP status, a success")
    content_type = models.CharField(max_length=100)
    body = models.BinaryField(help_text="as it was sent")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="accounts_keptanswer_once"),
            models.CheckConstraint(
                condition=Q(status__gte=200, status__lt=300) & Q(key__gt=""),
                name="accounts_keptanswer_success",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="accounts_keptanswer_age")]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"
