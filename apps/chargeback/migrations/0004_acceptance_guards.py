"""Answers to statements are append-only, in order, and decided by two people."""

from django.db import migrations

from apps.chargeback import sql
from apps.core.sql import append_only


class Migration(migrations.Migration):
    dependencies = [("chargeback", "0003_acceptance")]

    operations = [
        *append_only("chargeback_response"),
        *append_only("chargeback_resolution"),
        *append_only("chargeback_attachment"),
        *append_only("chargeback_responder"),
        *append_only("chargeback_acceptancepolicy"),
        migrations.RunSQL([sql.RESPONSE_FITS], migrations.RunSQL.noop),
        migrations.RunSQL(
            [sql.ON_RESPONSE], ['DROP TRIGGER chargeback_response_fits ON "chargeback_response"']
        ),
        migrations.RunSQL([sql.RESOLUTION_FITS], migrations.RunSQL.noop),
        migrations.RunSQL(
            [sql.ON_RESOLUTION],
            ['DROP TRIGGER chargeback_resolution_fits ON "chargeback_resolution"'],
        ),
    ]
