"""Who prepares a close again is its preparer: they do not approve it."""

from django.db import migrations, models

from apps.closing.sql import APPROVAL_GUARD


class Migration(migrations.Migration):

    dependencies = [
        ('closing', '0003_policy'),
    ]

    operations = [
        migrations.AddField(
            model_name='closerun',
            name='again_by_kind',
            field=models.CharField(blank=True, default='', help_text='user, key or shell', max_length=8),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='closerun',
            name='again_by',
            field=models.CharField(blank=True, default='', help_text='who prepared it again last: the preparer', max_length=254),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='closerun',
            name='again_by_user',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='closerun',
            name='started_by',
            field=models.CharField(help_text='the preparer, unless prepared again', max_length=254),
        ),
        migrations.AddConstraint(
            model_name='closerun',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('again_by', ''), ('again_by_kind', ''), ('again_by_user__isnull', True)), models.Q(('again_by__gt', ''), ('again_by_kind__gt', '')), _connector='OR'), name='closing_closerun_again_names_whom'),
        ),
        migrations.RunSQL([APPROVAL_GUARD], migrations.RunSQL.noop),
    ]
