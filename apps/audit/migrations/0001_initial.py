from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("sequence", models.BigIntegerField(help_text="0 when there is no record")),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="audit_audithead_single"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditRecord",
            fields=[
                (
                    "sequence",
                    models.BigIntegerField(
                        help_text="1, 2, 3... without a gap", primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("actor_kind", models.CharField(max_length=8)),
                (
                    "actor",
                    models.CharField(
                        help_text="e-mail, key name, shell or system", max_length=254
                    ),
                ),
                ("user_id", models.BigIntegerField(null=True)),
                (
                    "action",
                    models.CharField(help_text="noun.verb, such as period.closed", max_length=64),
                ),
                ("subject", models.CharField(max_length=64)),
                ("subject_id", models.CharField(max_length=254)),
                ("detail", models.JSONField(help_text="what changed, frozen as recorded")),
                ("prev_hash", models.CharField(max_length=64)),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "ordering": ["sequence"],
                "indexes": [
                    models.Index(
                        fields=["subject", "subject_id", "sequence"], name="audit_subject"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("hash",), name="audit_auditrecord_hash"),
                    models.CheckConstraint(
                        condition=models.Q(("action__regex", "^[a-z_]+\\.[a-z_]+$")),
                        name="audit_auditrecord_action",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("actor_kind__in", ["user", "key", "shell", "system"])
                        ),
                        name="audit_auditrecord_actor_kind",
                    ),
                ],
            },
        ),
    ]
