"""Which key and which person sent a batch or brought a file: names of keys are not unique."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0005_files_and_spans'),
    ]

    operations = [
        migrations.AddField(
            model_name='import',
            name='of_key',
            field=models.BigIntegerField(help_text='id of the key that brought it', null=True),
        ),
        migrations.AddField(
            model_name='import',
            name='of_user',
            field=models.BigIntegerField(help_text='id of the person who brought it', null=True),
        ),
        migrations.AddField(
            model_name='ingestbatch',
            name='of_key',
            field=models.BigIntegerField(help_text='id of the key that sent it', null=True),
        ),
        migrations.AddField(
            model_name='ingestbatch',
            name='of_user',
            field=models.BigIntegerField(help_text='id of the person who sent it', null=True),
        ),
    ]
