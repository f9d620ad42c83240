"""What events of other vocabularies mean; a mapping only ever is retired."""

import uuid

from django.db import migrations, models

KEEP = """
CREATE OR REPLACE FUNCTION ingest_keep_mapping() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL
        AND to_jsonb(OLD) - 'retired_at' - 'retired_by'
            = to_jsonb(NEW) - 'retired_at' - 'retired_by' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: a mapping only ever is retired', TG_OP, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
END $fn$
"""


def _guard(name: str, events: str, each: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} BEFORE {events} ON ingest_eventmapping "
        f"FOR EACH {each} EXECUTE FUNCTION ingest_keep_mapping('ingest_eventmapping')",
        f"DROP TRIGGER {name} ON ingest_eventmapping",
    )


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0002_receipts'),
    ]

    operations = [
        migrations.CreateModel(
            name='EventMapping',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('door', models.CharField(help_text='cloudevents or lago', max_length=16)),
                ('name', models.CharField(help_text='type of a CloudEvent, code of a Lago event', max_length=200)),
                ('fields', models.JSONField(help_text='field of the event: where its value comes from')),
                ('created_by', models.CharField(max_length=254)),
                ('created_at', models.DateTimeField()),
                ('retired_by', models.CharField(blank=True, max_length=254)),
                ('retired_at', models.DateTimeField(help_text='empty: in force', null=True)),
            ],
            options={
                'ordering': ['door', 'name', '-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('retired_at__isnull', True)), fields=('door', 'name'), name='ingest_eventmapping_one_in_force'), models.CheckConstraint(condition=models.Q(('door__in', ['cloudevents', 'lago'])), name='ingest_eventmapping_door'), models.CheckConstraint(condition=models.Q(('name__gt', '')), name='ingest_eventmapping_name'), models.CheckConstraint(condition=models.Q(models.Q(('retired_at__isnull', True), ('retired_by', '')), ('retired_at__gte', models.F('created_at')), _connector='OR'), name='ingest_eventmapping_retired')],
            },
        ),
        migrations.RunSQL(KEEP, "DROP FUNCTION ingest_keep_mapping()"),
        _guard("ingest_eventmapping_keep", "UPDATE OR DELETE", "ROW"),
        _guard("ingest_eventmapping_no_truncate", "TRUNCATE", "STATEMENT"),
    ]
