"""When a tenant closes its months, and what its checks ask."""

from django.db import migrations, models

from apps.core.sql import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('closing', '0002_truths'),
    ]

    operations = [
        migrations.CreateModel(
            name='ClosePolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_on', models.BooleanField(help_text='closes begin by themselves')),
                ('working_day', models.SmallIntegerField(help_text='of the next month, from 1, Monday to Friday')),
                ('at', models.TimeField(help_text="on the tenant's clock")),
                ('reminder_days', models.SmallIntegerField(help_text='working days before the close begins')),
                ('due_working_day', models.SmallIntegerField(help_text='of the next month, from 1')),
                ('unpriced_percent', models.DecimalField(decimal_places=2, help_text='of the cost', max_digits=6)),
                ('coverage_percent', models.DecimalField(decimal_places=2, help_text='of the cost', max_digits=6)),
                ('bill_percent', models.DecimalField(decimal_places=2, help_text='of our metering', max_digits=6)),
                ('change_percent', models.DecimalField(decimal_places=2, help_text='of the month before', max_digits=6)),
                ('blocking', models.JSONField(default=list, help_text='codes of checks that block; frozen')),
                ('scheduled_since', models.DateTimeField(help_text='since when this very schedule is on; no close before it begins', null=True)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=254)),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('working_day__gte', 1), ('due_working_day__gte', models.F('working_day')), ('due_working_day__lte', 20), ('reminder_days__gte', 0), ('reminder_days__lte', 10)), name='closing_closepolicy_days_in_range'), models.CheckConstraint(condition=models.Q(models.Q(('is_on', True), ('scheduled_since__isnull', False)), models.Q(('is_on', False), ('scheduled_since__isnull', True)), _connector='OR'), name='closing_closepolicy_on_since'), models.CheckConstraint(condition=models.Q(('unpriced_percent__gte', 0), ('coverage_percent__gte', 0), ('coverage_percent__lte', 100), ('bill_percent__gte', 0), ('change_percent__gte', 0)), name='closing_closepolicy_percents_in_range')],
            },
        ),
        *append_only("closing_closepolicy"),
    ]
