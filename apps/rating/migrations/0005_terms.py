"""Discounts, commitments and cost models; used prices that name their list price."""

import uuid

import django.contrib.postgres.constraints
import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models

import apps.rating.models
from apps.core.sql import append_only


def _kept(table: str) -> list[migrations.RunSQL]:
    """Return operations after which rows only ever end being known (0002)."""
    return [
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION rating_keep_price('{table}')",
            f"DROP TRIGGER {table}_keep ON {table}",
        ),
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION rating_keep_price('{table}')",
            f"DROP TRIGGER {table}_no_truncate ON {table}",
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("rating", "0004_window_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Commitment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "provider",
                    models.CharField(blank=True, help_text="empty: every provider", max_length=64),
                ),
                (
                    "family",
                    models.CharField(blank=True, help_text="empty: every family", max_length=200),
                ),
                (
                    "model",
                    models.CharField(
                        blank=True, help_text="code, or prefix with *", max_length=200
                    ),
                ),
                (
                    "meter",
                    models.CharField(blank=True, help_text="empty: every meter", max_length=64),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(max_length=200, unique=True)),
                (
                    "measure",
                    models.CharField(
                        choices=[("spend", "spend"), ("quantity", "quantity")], max_length=8
                    ),
                ),
                (
                    "currency",
                    models.CharField(help_text="of spend and of prices; ISO 4217", max_length=3),
                ),
                ("note", models.CharField(blank=True, max_length=500)),
                ("created_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="CommitmentLevel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.IntegerField(help_text="1 is the lowest")),
                (
                    "commit",
                    models.DecimalField(
                        decimal_places=12,
                        help_text="a month; money, or units of the meter",
                        max_digits=34,
                    ),
                ),
                ("percent", models.DecimalField(decimal_places=6, max_digits=9, null=True)),
                ("amount", models.DecimalField(decimal_places=18, max_digits=30, null=True)),
                (
                    "unit_size",
                    models.BigIntegerField(help_text="units that the amount is for", null=True),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CommitmentTerm",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("valid_from", models.DateTimeField()),
                (
                    "valid_to",
                    models.DateTimeField(help_text="empty: until further notice", null=True),
                ),
                ("known_from", models.DateTimeField()),
                ("known_to", models.DateTimeField(help_text="empty: still believed", null=True)),
                (
                    "note",
                    models.CharField(
                        blank=True, help_text="contract, amendment, reason", max_length=500
                    ),
                ),
                ("created_by", models.CharField(max_length=254)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="CostModel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("inputs", models.JSONField()),
                ("derivation", models.JSONField()),
                ("created_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Discount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "provider",
                    models.CharField(blank=True, help_text="empty: every provider", max_length=64),
                ),
                (
                    "family",
                    models.CharField(blank=True, help_text="empty: every family", max_length=200),
                ),
                (
                    "model",
                    models.CharField(
                        blank=True, help_text="code, or prefix with *", max_length=200
                    ),
                ),
                (
                    "meter",
                    models.CharField(blank=True, help_text="empty: every meter", max_length=64),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("valid_from", models.DateTimeField()),
                (
                    "valid_to",
                    models.DateTimeField(help_text="empty: until further notice", null=True),
                ),
                ("known_from", models.DateTimeField()),
                ("known_to", models.DateTimeField(help_text="empty: still believed", null=True)),
                (
                    "note",
                    models.CharField(
                        blank=True, help_text="contract, amendment, reason", max_length=500
                    ),
                ),
                ("created_by", models.CharField(max_length=254)),
                (
                    "service_tier",
                    models.CharField(blank=True, help_text="empty: every tier", max_length=64),
                ),
                (
                    "batch",
                    models.BooleanField(help_text="empty: batch and other requests", null=True),
                ),
                (
                    "region",
                    models.CharField(blank=True, help_text="empty: every region", max_length=64),
                ),
                (
                    "context_gt",
                    models.BigIntegerField(help_text="context tier; empty: every one", null=True),
                ),
                (
                    "percent",
                    models.DecimalField(
                        decimal_places=6, help_text="off the list price", max_digits=9
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="price",
            name="rating_price_kind",
        ),
        migrations.AddField(
            model_name="price",
            name="list_amount",
            field=models.DecimalField(
                decimal_places=18,
                help_text="the list price of a discounted one",
                max_digits=30,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="price",
            name="list_unit_size",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="price",
            name="percent",
            field=models.DecimalField(
                decimal_places=6, help_text="off the list price", max_digits=9, null=True
            ),
        ),
        migrations.AlterField(
            model_name="price",
            name="kind",
            field=models.CharField(
                choices=[("contract", "contract"), ("discount", "discount"), ("list", "list")],
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("contract", "discount", "list"))),
                name="rating_price_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", "discount"),
                        ("list_amount__isnull", False),
                        (
                            "list_unit_size__in",
                            [
                                1,
                                10,
                                100,
                                1000,
                                10000,
                                100000,
                                1000000,
                                10000000,
                                100000000,
                                1000000000,
                                10000000000,
                                100000000000,
                                1000000000000,
                                10000000000000,
                                100000000000000,
                                1000000000000000,
                                10000000000000000,
                                100000000000000000,
                                1000000000000000000,
                            ],
                        ),
                        ("percent__gt", 0),
                        ("percent__lte", 100),
                    ),
                    models.Q(
                        models.Q(("kind", "discount"), _negated=True),
                        ("list_amount__isnull", True),
                        ("list_unit_size__isnull", True),
                        ("percent__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="rating_price_discounted",
            ),
        ),
        migrations.AddConstraint(
            model_name="commitment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("measure", "spend"),
                    models.Q(("measure", "quantity"), ("meter__gt", "")),
                    _connector="OR",
                ),
                name="rating_commitment_measure",
            ),
        ),
        migrations.AddConstraint(
            model_name="commitment",
            constraint=models.CheckConstraint(
                condition=models.Q(("family", ""), ("model", ""), _connector="OR"),
                name="rating_commitment_family_or_model",
            ),
        ),
        migrations.AddConstraint(
            model_name="commitment",
            constraint=models.CheckConstraint(
                condition=models.Q(("model__regex", "^[^*]*\\*?$")), name="rating_commitment_model"
            ),
        ),
        migrations.AddConstraint(
            model_name="commitment",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                name="rating_commitment_currency",
            ),
        ),
        migrations.AddField(
            model_name="commitmentlevel",
            name="commitment",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="levels",
                to="rating.commitment",
            ),
        ),
        migrations.AddField(
            model_name="commitmentterm",
            name="commitment",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="terms",
                to="rating.commitment",
            ),
        ),
        migrations.AddField(
            model_name="commitmentterm",
            name="level",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="terms",
                to="rating.commitmentlevel",
            ),
        ),
        migrations.AddField(
            model_name="commitmentterm",
            name="replaces",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replaced_by",
                to="rating.commitmentterm",
            ),
        ),
        migrations.AddField(
            model_name="contractprice",
            name="cost_model",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="prices",
                to="rating.costmodel",
            ),
        ),
        migrations.AddField(
            model_name="discount",
            name="replaces",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replaced_by",
                to="rating.discount",
            ),
        ),
        migrations.AddConstraint(
            model_name="commitmentlevel",
            constraint=models.UniqueConstraint(
                fields=("commitment", "position"), name="rating_commitmentlevel_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="commitmentlevel",
            constraint=models.UniqueConstraint(
                fields=("id", "commitment"), name="rating_commitmentlevel_of_commitment"
            ),
        ),
        migrations.AddConstraint(
            model_name="commitmentlevel",
            constraint=models.CheckConstraint(
                condition=models.Q(("commit__gt", 0), ("position__gte", 1)),
                name="rating_commitmentlevel_commit",
            ),
        ),
        migrations.AddConstraint(
            model_name="commitmentlevel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("amount__isnull", True),
                        ("percent__gt", 0),
                        ("percent__lte", 100),
                        ("unit_size__isnull", True),
                    ),
                    models.Q(
                        ("amount__gte", 0),
                        ("percent__isnull", True),
                        (
                            "unit_size__in",
                            [
                                1,
                                10,
                                100,
                                1000,
                                10000,
                                100000,
                                1000000,
                                10000000,
                                100000000,
                                1000000000,
                                10000000000,
                                100000000000,
                                1000000000000,
                                10000000000000,
                                100000000000000,
                                1000000000000000,
                                10000000000000000,
                                100000000000000000,
                                1000000000000000000,
                            ],
                        ),
                    ),
                    _connector="OR",
                ),
                name="rating_commitmentlevel_gives",
            ),
        ),
        migrations.AddConstraint(
            model_name="commitmentterm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_to__isnull", True),
                    ("valid_to__gt", models.F("valid_from")),
                    _connector="OR",
                ),
                name="rating_commitmentterm_validity",
            ),
        ),
        migrations.AddConstraint(
            model_name="commitmentterm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("known_to__isnull", True),
                    ("known_to__gte", models.F("known_from")),
                    _connector="OR",
                ),
                name="rating_commitmentterm_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="commitmentterm",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("commitment", "="),
                    (apps.rating.models.Moments("valid_from", "valid_to"), "&&"),
                    (apps.rating.models.Moments("known_from", "known_to"), "&&"),
                ],
                name="rating_commitmentterm_no_overlap",
            ),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.CheckConstraint(
                condition=models.Q(("percent__gt", 0), ("percent__lte", 100)),
                name="rating_discount_percent",
            ),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.CheckConstraint(
                condition=models.Q(("family", ""), ("model", ""), _connector="OR"),
                name="rating_discount_family_or_model",
            ),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.CheckConstraint(
                condition=models.Q(("model__regex", "^[^*]*\\*?$")), name="rating_discount_model"
            ),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_to__isnull", True),
                    ("valid_to__gt", models.F("valid_from")),
                    _connector="OR",
                ),
                name="rating_discount_validity",
            ),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("known_to__isnull", True),
                    ("known_to__gte", models.F("known_from")),
                    _connector="OR",
                ),
                name="rating_discount_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("provider", "="),
                    ("family", "="),
                    ("model", "="),
                    ("meter", "="),
                    ("service_tier", "="),
                    ("region", "="),
                    (
                        django.db.models.functions.comparison.Coalesce(
                            django.db.models.functions.comparison.Cast(
                                "batch", models.IntegerField()
                            ),
                            -1,
                        ),
                        "=",
                    ),
                    (django.db.models.functions.comparison.Coalesce("context_gt", -1), "="),
                    (apps.rating.models.Moments("valid_from", "valid_to"), "&&"),
                    (apps.rating.models.Moments("known_from", "known_to"), "&&"),
                ],
                name="rating_discount_no_overlap",
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE rating_commitmentterm ADD CONSTRAINT rating_commitmentterm_own_level "
            "FOREIGN KEY (level_id, commitment_id) "
            "REFERENCES rating_commitmentlevel (id, commitment_id)",
            "ALTER TABLE rating_commitmentterm DROP CONSTRAINT rating_commitmentterm_own_level",
        ),
        *append_only("rating_commitment"),
        *append_only("rating_commitmentlevel"),
        *append_only("rating_costmodel"),
        *_kept("rating_discount"),
        *_kept("rating_commitmentterm"),
    ]
