"""Backfills: a scope of usage replaced at once, and brought back exactly."""

import apps.ingest.models
import django.contrib.postgres.constraints
import django.db.models.deletion
import uuid
from django.db import migrations, models

from apps.core.sql import append_only


_STATES = """
CREATE OR REPLACE FUNCTION ingest_backfill_states() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state = 'open' THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'UPDATE'
        AND (OLD.state, NEW.state) IN (('open', 'closed'), ('open', 'abandoned'),
                                       ('closed', 'reverted'))
        AND (NEW.public_id, NEW.source, NEW.starts_at, NEW.ends_at, NEW.tags, NEW.reason,
             NEW.opened_by, NEW.opened_at)
          = (OLD.public_id, OLD.source, OLD.starts_at, OLD.ends_at, OLD.tags, OLD.reason,
             OLD.opened_by, OLD.opened_at)
        AND (OLD.state = 'open' OR
             (NEW.settled_by, NEW.settled_at, NEW.batch, NEW.kept, NEW.added, NEW.amended,
              NEW.voided)
           = (OLD.settled_by, OLD.settled_at, OLD.batch, OLD.kept, OLD.added, OLD.amended,
              OLD.voided)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: a backfill is opened, closed or abandoned, reverted',
        TG_OP, TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation', HINT = 'backfill_state';
END $fn$
"""

_OPEN = """
CREATE OR REPLACE FUNCTION ingest_backfill_open() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    settled bigint;
BEGIN
    EXECUTE format(
        'SELECT count(*) FROM (SELECT state FROM %I.ingest_backfill WHERE id IN '
        '(SELECT DISTINCT backfill_id FROM new_rows) FOR SHARE) b WHERE state <> $1',
        TG_TABLE_SCHEMA) INTO settled USING 'open';
    IF settled > 0 THEN
        RAISE EXCEPTION 'INSERT on % is refused: the backfill is no longer open', TG_ARGV[0]
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'backfill_state';
    END IF;
    RETURN NULL;
END $fn$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ingest", "0003_eventmapping"),
    ]

    operations = [
        migrations.CreateModel(
            name="Backfill",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("source", models.TextField(help_text="at most 200 bytes")),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(help_text="exclusive")),
                (
                    "tags",
                    models.JSONField(default=dict, help_text="what events must carry; empty: any"),
                ),
                ("reason", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("closed", "Closed"),
                            ("reverted", "Reverted"),
                            ("abandoned", "Abandoned"),
                        ],
                        default="open",
                        max_length=9,
                    ),
                ),
                ("opened_by", models.CharField(max_length=254)),
                (
                    "opened_at",
                    models.DateTimeField(help_text="events received before are replaced"),
                ),
                (
                    "settled_by",
                    models.CharField(
                        blank=True, help_text="who closed or abandoned", max_length=254
                    ),
                ),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "batch",
                    models.UUIDField(help_text="of the rows that closing appended", null=True),
                ),
                (
                    "kept",
                    models.BigIntegerField(
                        default=0, help_text="events that were posted as they stood"
                    ),
                ),
                (
                    "added",
                    models.BigIntegerField(
                        default=0, help_text="events that were new, or void before"
                    ),
                ),
                (
                    "amended",
                    models.BigIntegerField(
                        default=0, help_text="events that say something else now"
                    ),
                ),
                (
                    "voided",
                    models.BigIntegerField(
                        default=0, help_text="events that were not posted again"
                    ),
                ),
                ("reverted_by", models.CharField(blank=True, max_length=254)),
                ("reverted_at", models.DateTimeField(null=True)),
                ("revert_reason", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["open", "closed", "reverted", "abandoned"])
                        ),
                        name="ingest_backfill_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ends_at__gt", models.F("starts_at"))),
                        name="ingest_backfill_span",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason__gt", ""), ("source__gt", "")),
                        name="ingest_backfill_told",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("settled_at__isnull", True), ("settled_by", ""), ("state", "open")
                            ),
                            models.Q(
                                models.Q(("state", "open"), _negated=True),
                                ("settled_at__isnull", False),
                                ("settled_by__gt", ""),
                            ),
                            _connector="OR",
                        ),
                        name="ingest_backfill_settled",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("reverted_at__isnull", False),
                                ("reverted_by__gt", ""),
                                ("state", "reverted"),
                                ("revert_reason__gt", ""),
                            ),
                            models.Q(
                                models.Q(("state", "reverted"), _negated=True),
                                ("reverted_at__isnull", True),
                                ("reverted_by", ""),
                            ),
                            _connector="OR",
                        ),
                        name="ingest_backfill_reverted",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("batch__isnull", False), ("state__in", ["closed", "reverted"])
                            ),
                            models.Q(("batch__isnull", True), ("state__in", ["open", "abandoned"])),
                            _connector="OR",
                        ),
                        name="ingest_backfill_batch_when_closed",
                    ),
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        condition=models.Q(("state", "open")),
                        expressions=[
                            ("source", "="),
                            (apps.ingest.models.Moments("starts_at", "ends_at"), "&&"),
                        ],
                        name="ingest_backfill_one_open_at_a_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BackfillChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.BigIntegerField(help_text="number that the event's rows carry")),
                ("event_id", models.TextField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("add", "Add"),
                            ("amend", "Amend"),
                            ("revive", "Revive"),
                            ("void", "Void"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "from_revision",
                    models.SmallIntegerField(help_text="revision that was taken back", null=True),
                ),
                (
                    "to_revision",
                    models.SmallIntegerField(help_text="revision that came", null=True),
                ),
                (
                    "backfill",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="ingest.backfill",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("from_revision__isnull", False),
                                ("kind", "void"),
                                ("to_revision__isnull", True),
                            ),
                            models.Q(
                                ("from_revision__isnull", True),
                                ("kind__in", ["add", "revive"]),
                                ("to_revision__isnull", False),
                            ),
                            models.Q(
                                ("from_revision__isnull", False),
                                ("kind", "amend"),
                                ("to_revision__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="ingest_backfillchange_kind",
                    ),
                    models.UniqueConstraint(
                        fields=("backfill", "key"), name="ingest_backfillchange_once"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BackfillEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_id", models.TextField(help_text="at most 200 bytes")),
                (
                    "digest",
                    models.BinaryField(help_text="of the item as it was sent", max_length=16),
                ),
                ("payload", models.BinaryField(help_text="the item as it was decoded, as JSON")),
                ("posted_by", models.CharField(max_length=254)),
                ("posted_at", models.DateTimeField()),
                (
                    "backfill",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="ingest.backfill",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("backfill", "event_id"), name="ingest_backfillevent_once"
                    )
                ],
            },
        ),
        migrations.RunSQL(_STATES, "DROP FUNCTION ingest_backfill_states()"),
        migrations.RunSQL(_OPEN, "DROP FUNCTION ingest_backfill_open()"),
        migrations.RunSQL(
            "CREATE TRIGGER ingest_backfill_states BEFORE INSERT OR UPDATE OR DELETE "
            "ON ingest_backfill FOR EACH ROW "
            "EXECUTE FUNCTION ingest_backfill_states('ingest_backfill')",
            "DROP TRIGGER ingest_backfill_states ON ingest_backfill",
        ),
        migrations.RunSQL(
            "CREATE TRIGGER ingest_backfill_no_truncate BEFORE TRUNCATE "
            "ON ingest_backfill FOR EACH STATEMENT "
            "EXECUTE FUNCTION ingest_backfill_states('ingest_backfill')",
            "DROP TRIGGER ingest_backfill_no_truncate ON ingest_backfill",
        ),
        *append_only("ingest_backfillevent"),
        *append_only("ingest_backfillchange"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER {table}_open AFTER INSERT ON {table} "
                "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT "
                f"EXECUTE FUNCTION ingest_backfill_open('{table}')",
                f"DROP TRIGGER {table}_open ON {table}",
            )
            for table in ("ingest_backfillevent", "ingest_backfillchange")
        ),
    ]
