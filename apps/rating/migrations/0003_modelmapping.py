"""What sent providers and models mean, as the tenant says; held still like contract prices."""

import apps.rating.models
import django.contrib.postgres.constraints
import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rating", "0002_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="ModelMapping",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "sent_provider",
                    models.CharField(
                        blank=True,
                        help_text="as usage names it, in lower case; empty: a service",
                        max_length=200,
                    ),
                ),
                (
                    "sent_model",
                    models.CharField(help_text="as usage names it, in lower case", max_length=200),
                ),
                (
                    "provider",
                    models.CharField(
                        blank=True, help_text="canonical provider code", max_length=64
                    ),
                ),
                ("model", models.CharField(help_text="canonical model code", max_length=200)),
                ("valid_from", models.DateTimeField()),
                (
                    "valid_to",
                    models.DateTimeField(help_text="empty: until further notice", null=True),
                ),
                ("known_from", models.DateTimeField()),
                ("known_to", models.DateTimeField(help_text="empty: still believed", null=True)),
                (
                    "note",
                    models.CharField(blank=True, help_text="why it means that", max_length=500),
                ),
                ("created_by", models.CharField(max_length=254)),
                (
                    "replaces",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replaced_by",
                        to="rating.modelmapping",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("model__gt", ""), ("sent_model__gt", "")),
                        name="rating_modelmapping_named",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sent_model", models.F("model")),
                            ("sent_provider", models.F("provider")),
                            _negated=True,
                        ),
                        name="rating_modelmapping_says_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_to__isnull", True),
                            ("valid_to__gt", models.F("valid_from")),
                            _connector="OR",
                        ),
                        name="rating_modelmapping_validity",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("known_to__isnull", True),
                            ("known_to__gte", models.F("known_from")),
                            _connector="OR",
                        ),
                        name="rating_modelmapping_known",
                    ),
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[
                            ("sent_provider", "="),
                            ("sent_model", "="),
                            (apps.rating.models.Moments("valid_from", "valid_to"), "&&"),
                            (apps.rating.models.Moments("known_from", "known_to"), "&&"),
                        ],
                        name="rating_modelmapping_no_overlap",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "CREATE TRIGGER rating_modelmapping_keep BEFORE UPDATE OR DELETE "
            "ON rating_modelmapping FOR EACH ROW "
            "EXECUTE FUNCTION rating_keep_price('rating_modelmapping')",
            "DROP TRIGGER rating_modelmapping_keep ON rating_modelmapping",
        ),
        migrations.RunSQL(
            "CREATE TRIGGER rating_modelmapping_no_truncate BEFORE TRUNCATE "
            "ON rating_modelmapping FOR EACH STATEMENT "
            "EXECUTE FUNCTION rating_keep_price('rating_modelmapping')",
            "DROP TRIGGER rating_modelmapping_no_truncate ON rating_modelmapping",
        ),
    ]
