"""Journals are append-only, balance at COMMIT, and carry what the statements charge."""

from django.db import migrations

from apps.chargeback import sql
from apps.core.sql import append_only


class Migration(migrations.Migration):
    dependencies = [("chargeback", "0005_journals")]

    operations = [
        *append_only("chargeback_journalmapping"),
        *append_only("chargeback_journallayout"),
        *append_only("chargeback_journal"),
        *append_only("chargeback_journalline"),
        *append_only("chargeback_journalfile"),
        *append_only("chargeback_journalposting"),
        migrations.RunSQL([sql.JOURNAL_BALANCES], migrations.RunSQL.noop),
        migrations.RunSQL(
            [sql.ON_JOURNAL], ['DROP TRIGGER chargeback_journal_balances ON "chargeback_journal"']
        ),
        migrations.RunSQL([sql.JOURNAL_IS_FULL], migrations.RunSQL.noop),
        migrations.RunSQL(
            [sql.ON_JOURNAL_LINES],
            ['DROP TRIGGER chargeback_journal_is_full ON "chargeback_journalline"'],
        ),
    ]
