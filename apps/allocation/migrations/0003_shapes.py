"""Rules may be tiered, bound shares, and subsidize."""

import django.db.models as models
from django.db import migrations
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("allocation", "0002_truths")]

    operations = [
        migrations.AddField(
            "allocationrule",
            "tiers",
            models.JSONField(default=list, help_text="bands of a tiered driver; frozen"),
        ),
        migrations.AddField(
            "allocationrule",
            "minimum_share",
            models.DecimalField(
                decimal_places=6,
                default=0,
                help_text="least share of a receiver, percent",
                max_digits=9,
            ),
        ),
        migrations.AddField(
            "allocationrule",
            "maximum_share",
            models.DecimalField(
                decimal_places=6,
                default=100,
                help_text="most share of a receiver, percent",
                max_digits=9,
            ),
        ),
        migrations.AlterField(
            "allocationrule",
            "method",
            models.CharField(
                choices=[
                    (word, word)
                    for word in ("direct", "even", "fixed", "proportional", "tiered", "markup")
                ],
                max_length=16,
            ),
        ),
        migrations.RemoveConstraint("allocationrule", "allocation_rule_words_known"),
        migrations.RemoveConstraint("allocationrule", "allocation_rule_named"),
        migrations.AddConstraint(
            "allocationrule",
            models.CheckConstraint(
                condition=Q(axis__in=["team", "customer"])
                & Q(
                    method__in=["direct", "even", "fixed", "proportional", "tiered", "markup"]
                )
                & Q(zero_policy__in=["unallocated", "even", "previous_period", "fail"]),
                name="allocation_rule_words_known",
            ),
        ),
        migrations.AddConstraint(
            "allocationrule",
            models.CheckConstraint(
                condition=Q(code__gt="") & Q(percent__gte=-100), name="allocation_rule_named"
            ),
        ),
        migrations.AddConstraint(
            "allocationrule",
            models.CheckConstraint(
                condition=Q(minimum_share__gte=0)
                & Q(minimum_share__lte=models.F("maximum_share"))
                & Q(maximum_share__gt=0)
                & Q(maximum_share__lte=100),
                name="allocation_rule_shares_in_order",
            ),
        ),
    ]
