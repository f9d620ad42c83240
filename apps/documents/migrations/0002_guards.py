"""The database itself keeps documents: sealed rows, sums at the seal, series without gaps."""

from django.db import migrations

from apps.core.sql import append_only, seals_when
from apps.documents import sql

_DROP = 'DROP TRIGGER {0} ON "{1}"'


class Migration(migrations.Migration):
    dependencies = [("documents", "0001_initial")]

    operations = [
        *seals_when(
            "documents_document",
            column="state",
            states=("sealed", "void"),
            lines=(("documents_documentline", "document_id"),),
        ),
        *append_only("documents_rendition"),
        migrations.RunSQL(sql.BORN_DRAFT, migrations.RunSQL.noop),
        migrations.RunSQL(
            sql.ON_BIRTH, _DROP.format("documents_document_born_draft", "documents_document")
        ),
        migrations.RunSQL(sql.TOTAL_IS_SUM, migrations.RunSQL.noop),
        migrations.RunSQL(
            sql.ON_SEAL, _DROP.format("documents_document_total_is_sum", "documents_document")
        ),
        migrations.RunSQL(sql.SERIES_GROWS, migrations.RunSQL.noop),
        migrations.RunSQL(
            sql.ON_SERIES, _DROP.format("documents_numberseries_grows", "documents_numberseries")
        ),
        migrations.RunSQL(sql.NO_GAP, migrations.RunSQL.noop),
        migrations.RunSQL(
            sql.AT_COMMIT, _DROP.format("documents_numberseries_no_gap", "documents_numberseries")
        ),
        migrations.RunSQL(sql.NUMBER_IS_COUNTED, migrations.RunSQL.noop),
        migrations.RunSQL(
            sql.NUMBER_AT_COMMIT,
            _DROP.format("documents_document_number_is_counted", "documents_document"),
        ),
    ]
