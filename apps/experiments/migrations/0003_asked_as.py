"""Who asked is known by identity: two keys may share a name."""

from django.db import migrations, models

from apps.experiments.sql import REQUEST_MOVES


class Migration(migrations.Migration):
    dependencies = [("experiments", "0002_guards")]

    operations = [
        migrations.AddField(
            model_name="experimentrequest",
            name="asked_as",
            field=models.CharField(
                default="",
                help_text="identity of who asked, as two keys may share a name",
                max_length=300,
            ),
        ),
        migrations.RunSQL([REQUEST_MOVES], migrations.RunSQL.noop),
    ]
