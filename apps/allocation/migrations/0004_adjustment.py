"""Amounts moved by hand, which runs of their month book exactly."""

import uuid
from django.db import migrations, models

from apps.allocation.sql import RUN_GUARD, keeps_adjustments
from apps.periods.sql import UNTIL_CLOSED, guards_period


class Migration(migrations.Migration):

    dependencies = [
        ('allocation', '0003_shapes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Adjustment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('code', models.CharField(help_text='adj-2026-10-1', max_length=64, unique=True)),
                ('month', models.DateField(help_text='first day of the month it is booked in')),
                ('axis', models.CharField(choices=[('team', 'team'), ('customer', 'customer')], max_length=16)),
                ('sender', models.CharField(help_text='who bears less', max_length=64)),
                ('receiver', models.CharField(help_text='who bears more', max_length=64)),
                ('amount', models.DecimalField(decimal_places=12, help_text='in `currency`, a whole of its minor unit', max_digits=30)),
                ('currency', models.CharField(help_text="ISO 4217, the tenant's", max_length=3)),
                ('reason', models.TextField()),
                ('reference', models.CharField(blank=True, help_text='what it answers', max_length=200)),
                ('state', models.CharField(choices=[('requested', 'Requested'), ('approved', 'Approved'), ('rejected', 'Rejected'), ('withdrawn', 'Withdrawn')], default='requested', max_length=16)),
                ('requested_by', models.CharField(max_length=254)),
                ('requested_by_user', models.BigIntegerField(help_text='id of the person, if one', null=True)),
                ('requested_at', models.DateTimeField()),
                ('decided_by', models.CharField(blank=True, max_length=254)),
                ('decided_by_user', models.BigIntegerField(help_text='id of the person, if one', null=True)),
                ('decided_at', models.DateTimeField(null=True)),
                ('comment', models.TextField(blank=True)),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['month', '-id'], name='allocation_adjustment_month')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('reason__gt', ''), ('code__gt', '')), name='allocation_adjustment_says_what'), models.CheckConstraint(condition=models.Q(('month__day', 1), ('axis__in', ['team', 'customer'])), name='allocation_adjustment_place'), models.CheckConstraint(condition=models.Q(('sender', models.F('receiver')), _negated=True), name='allocation_adjustment_moves'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decided_by', ''), ('state', 'requested')), models.Q(('decided_at__isnull', False), ('state__in', ['approved', 'rejected', 'withdrawn'])), _connector='OR'), name='allocation_adjustment_decided'), models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['approved', 'rejected']), _negated=True), models.Q(('decided_by_user__isnull', False), models.Q(('decided_by', models.F('requested_by')), _negated=True), models.Q(('requested_by_user__isnull', True), models.Q(('decided_by_user', models.F('requested_by_user')), _negated=True), _connector='OR')), _connector='OR'), name='allocation_adjustment_two_people')],
            },
        ),
        *keeps_adjustments(),
        *guards_period("allocation_adjustment", column="month", writable=UNTIL_CLOSED),
        migrations.RunSQL(RUN_GUARD, migrations.RunSQL.noop),
    ]
