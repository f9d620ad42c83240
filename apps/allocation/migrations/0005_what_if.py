"""What-if runs that are never published, shared savings, and files of adjustments."""

import django.db.models.deletion
import uuid
from django.db import migrations, models

from apps.allocation.sql import RUN_GUARD, guards_month_of_runs
from apps.core.sql import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('allocation', '0004_adjustment'),
    ]

    operations = [
        migrations.CreateModel(
            name='AdjustmentFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(max_length=120)),
                ('media_type', models.CharField(max_length=100)),
                ('size', models.IntegerField(help_text='bytes')),
                ('sha256', models.CharField(max_length=64)),
                ('storage_key', models.CharField(max_length=500, unique=True)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='allocationrule',
            name='allocation_rule_words_known',
        ),
        migrations.RemoveConstraint(
            model_name='run',
            name='allocation_run_state_known',
        ),
        migrations.RemoveConstraint(
            model_name='run',
            name='allocation_run_times_fit_state',
        ),
        migrations.AddField(
            model_name='run',
            name='is_what_if',
            field=models.BooleanField(default=False, help_text='run by rules that are not in force; never published'),
        ),
        migrations.AddField(
            model_name='run',
            name='name',
            field=models.CharField(blank=True, help_text='what a what-if run supposes', max_length=200),
        ),
        migrations.AddField(
            model_name='source',
            name='saving',
            field=models.DecimalField(decimal_places=12, default=0, help_text="tenant's currency; contracted minus effective cost of a commitment's use", max_digits=44),
        ),
        migrations.AlterField(
            model_name='allocationrule',
            name='method',
            field=models.CharField(choices=[('direct', 'direct'), ('even', 'even'), ('fixed', 'fixed'), ('proportional', 'proportional'), ('tiered', 'tiered'), ('markup', 'markup'), ('commitment', 'commitment')], max_length=16),
        ),
        migrations.AlterField(
            model_name='run',
            name='state',
            field=models.CharField(choices=[('draft', 'Draft'), ('published', 'Published'), ('superseded', 'Superseded'), ('what_if', 'What If')], default='draft', max_length=16),
        ),
        migrations.AddConstraint(
            model_name='allocationrule',
            constraint=models.CheckConstraint(condition=models.Q(('axis__in', ['team', 'customer']), ('method__in', ['direct', 'even', 'fixed', 'proportional', 'tiered', 'markup', 'commitment']), ('zero_policy__in', ['unallocated', 'even', 'previous_period', 'fail'])), name='allocation_rule_words_known'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'published', 'superseded', 'what_if'])), name='allocation_run_state_known'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('published_at__isnull', True), ('state', 'draft'), ('superseded_at__isnull', True)), models.Q(('published_at__isnull', False), ('state', 'published'), ('superseded_at__isnull', True)), models.Q(('published_at__isnull', False), ('state', 'superseded'), ('superseded_at__isnull', False)), models.Q(('published_at__isnull', True), ('state', 'what_if'), ('superseded_at__isnull', True)), _connector='OR'), name='allocation_run_times_fit_state'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('is_what_if', True), ('name__gt', ''), ('state__in', ['draft', 'what_if'])), models.Q(('is_what_if', False), ('state__in', ['draft', 'published', 'superseded'])), _connector='OR'), name='allocation_run_what_if_is_never_published'),
        ),
        migrations.AddField(
            model_name='adjustmentfile',
            name='adjustment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='allocation.adjustment'),
        ),
        migrations.AddConstraint(
            model_name='adjustmentfile',
            constraint=models.CheckConstraint(condition=models.Q(('size__gt', 0)), name='allocation_adjustmentfile_is_not_empty'),
        ),
        *append_only("allocation_adjustmentfile"),
        *guards_month_of_runs(),
        migrations.RunSQL(RUN_GUARD, migrations.RunSQL.noop),
    ]
