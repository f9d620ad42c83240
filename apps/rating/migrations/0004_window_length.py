"""Gives hours of days the room that weekdays and a zone take."""

from django.db import migrations, models

WINDOW = models.CharField(
    blank=True, help_text="hours of days, mon-fri 16:30-00:30; empty: always", max_length=200
)


class Migration(migrations.Migration):
    dependencies = [("rating", "0003_modelmapping")]

    operations = [
        migrations.AlterField(model_name=model, name="window", field=WINDOW)
        for model in ("contractprice", "price")
    ]
