"""Which worker has an import, its last sign of life, and how often it was begun in vain."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0006_senders'),
    ]

    operations = [
        migrations.AddField(
            model_name='import',
            name='alive_at',
            field=models.DateTimeField(help_text='last sign of life of that worker', null=True),
        ),
        migrations.AddField(
            model_name='import',
            name='attempts',
            field=models.SmallIntegerField(default=0, help_text='begun since the last part was stored'),
        ),
        migrations.AddField(
            model_name='import',
            name='runner',
            field=models.UUIDField(editable=False, help_text='the worker whose import it is', null=True),
        ),
    ]
