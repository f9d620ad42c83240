"""Guardrails know the tags of the requests that there are."""

from django.db import migrations

_ANNOUNCE = """
INSERT INTO budgets_experimenttag (experiment, state, changed_at)
SELECT code,
       CASE WHEN state IN ('approved', 'running') THEN 'open'
            WHEN state IN ('revoked', 'completed') THEN 'closed'
            ELSE 'not_approved' END,
       COALESCE(ended_at, started_at, created_at)
  FROM experiments_experimentrequest AS asked
 WHERE code ~ '^exp-[0-9]+$'
    OR EXISTS (SELECT 1 FROM experiments_submission WHERE request_id = asked.id)
ON CONFLICT (experiment) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("experiments", "0003_asked_as"), ("budgets", "0004_experiment_tags")]

    operations = [
        migrations.RunSQL([_ANNOUNCE], migrations.RunSQL.noop),
        migrations.RunSQL(
            ["UPDATE budgets_registry SET version = gen_random_uuid()"], migrations.RunSQL.noop
        ),
    ]
