"""Progress and problems of imported files; totals of spans around others."""


import django.db.models.deletion
from django.db import migrations, models

from apps.core.sql import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0004_backfills'),
    ]

    operations = [
        migrations.CreateModel(
            name='ImportProblem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row', models.BigIntegerField(help_text='place in the file, from 0')),
                ('event_id', models.TextField(blank=True)),
                ('code', models.TextField()),
                ('field', models.TextField(blank=True)),
                ('message', models.TextField()),
            ],
            options={
                'ordering': ['of_import', 'row'],
            },
        ),
        migrations.CreateModel(
            name='SpanTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('trace_id', models.CharField(help_text='hex', max_length=32)),
                ('span_id', models.CharField(help_text='hex', max_length=16)),
                ('parent_id', models.CharField(blank=True, help_text='hex; empty at the root', max_length=16)),
                ('name', models.CharField(max_length=200)),
                ('counts', models.JSONField(help_text="tokens by the attribute's own name")),
                ('received_at', models.DateTimeField()),
                ('received_from', models.CharField(help_text='label of the actor', max_length=254)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='import',
            name='ingest_import_state_known',
        ),
        migrations.RemoveConstraint(
            model_name='import',
            name='ingest_import_kind_known',
        ),
        migrations.RemoveConstraint(
            model_name='import',
            name='ingest_import_counts',
        ),
        migrations.RemoveConstraint(
            model_name='import',
            name='ingest_import_finished_when_over',
        ),
        migrations.AddField(
            model_name='import',
            name='ignored',
            field=models.BigIntegerField(default=0, help_text='rows that tell no use of a model'),
        ),
        migrations.AddField(
            model_name='import',
            name='is_cancelled',
            field=models.BooleanField(default=False, help_text='no further part is begun'),
        ),
        migrations.AddField(
            model_name='import',
            name='part_at',
            field=models.DateTimeField(help_text='when the part that is being stored was begun', null=True),
        ),
        migrations.AddField(
            model_name='import',
            name='size_done',
            field=models.BigIntegerField(default=0, help_text='bytes of the file read so far'),
        ),
        migrations.AddField(
            model_name='import',
            name='started_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='import',
            name='kind',
            field=models.CharField(default='native', help_text='native, litellm, bedrock or focus', max_length=8),
        ),
        migrations.AlterField(
            model_name='import',
            name='state',
            field=models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=12),
        ),
        migrations.AddConstraint(
            model_name='import',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'running', 'done', 'failed', 'cancelled'])), name='ingest_import_state_known'),
        ),
        migrations.AddConstraint(
            model_name='import',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['native', 'litellm', 'bedrock']), models.Q(('form', 'csv'), ('kind', 'focus'), ('provider_account__gt', '')), _connector='OR'), name='ingest_import_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='import',
            constraint=models.CheckConstraint(condition=models.Q(('ignored__gte', 0), ('rows_done__gte', 0), ('size__gte', 0), ('size_done__gte', 0)), name='ingest_import_counts'),
        ),
        migrations.AddConstraint(
            model_name='import',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', False), ('state__in', ['done', 'failed', 'cancelled'])), models.Q(('finished_at__isnull', True), ('state__in', ['queued', 'running'])), _connector='OR'), name='ingest_import_finished_when_over'),
        ),
        migrations.AddField(
            model_name='importproblem',
            name='of_import',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='problems', to='ingest.import'),
        ),
        migrations.AddConstraint(
            model_name='spantotal',
            constraint=models.UniqueConstraint(fields=('trace_id', 'span_id'), name='ingest_spantotal_once'),
        ),
        migrations.AddConstraint(
            model_name='spantotal',
            constraint=models.CheckConstraint(condition=models.Q(('span_id__gt', '')), name='ingest_spantotal_named'),
        ),
        migrations.AddConstraint(
            model_name='importproblem',
            constraint=models.UniqueConstraint(fields=('of_import', 'row'), name='ingest_importproblem_once'),
        ),
        migrations.AddConstraint(
            model_name='importproblem',
            constraint=models.CheckConstraint(condition=models.Q(('row__gte', 0)), name='ingest_importproblem_row'),
        ),
        *append_only("ingest_importproblem"),
        *append_only("ingest_spantotal"),
    ]
