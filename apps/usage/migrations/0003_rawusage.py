"""The usage objects that events came with."""


from django.db import migrations, models

from apps.core.sql import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0002_facts'),
    ]

    operations = [
        migrations.CreateModel(
            name='RawUsage',
            fields=[
                ('pk', models.CompositePrimaryKey('key', 'revision', blank=True, editable=False, primary_key=True, serialize=False)),
                ('key', models.BigIntegerField(help_text='EventKey.key')),
                ('revision', models.SmallIntegerField(help_text='revision of the event that came with it')),
                ('raw', models.JSONField(help_text="the provider's own usage object")),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('revision__gte', 0)), name='usage_rawusage_revision')],
            },
        ),
        *append_only("usage_rawusage"),
    ]
