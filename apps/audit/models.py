"""The audit trail of one schema: append-only, numbered and hash-chained by the database."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class AuditRecord(models.Model):
    """One change that a person, a key or the platform made.

    `sequence`, `prev_hash` and `hash` are set by a trigger, whatever an INSERT says.
    """

    sequence = models.BigIntegerField(primary_key=True, help_text="1, 2, 3... without a gap")
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=8)
    actor = models.CharField(max_length=254, help_text="e-mail, key name, shell or system")
    user_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=64, help_text="noun.verb, such as period.closed")
    subject = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=254)
    detail = models.JSONField(help_text="what changed, frozen as recorded")
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hash"], name="audit_auditrecord_hash"),
            models.CheckConstraint(
                condition=Q(action__regex=r"^[a-z_]+\.[a-z_]+$"), name="audit_auditrecord_action"
            ),
            models.CheckConstraint(
                condition=Q(actor_kind__in=["user", "key", "shell", "system"]),
                name="audit_auditrecord_actor_kind",
            ),
        ]
        indexes = [
            models.Index(fields=["subject", "subject_id", "sequence"], name="audit_subject"),
        ]
        ordering = ["sequence"]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action}"


class AuditHead(models.Model):
    """The one row that says where the chain ends; only the chain's trigger writes it."""

    id = models.SmallIntegerField(primary_key=True)
    sequence = models.BigIntegerField(help_text="0 when there is no record")
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="audit_audithead_single"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash}"
