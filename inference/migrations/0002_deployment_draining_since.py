"""Deployments that are drained by hand."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inference", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="draining_since",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="From then on it gets no new requests; empty: it gets some.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="deployment",
            name="enabled",
            field=models.BooleanField(default=True, help_text="Part of the model's deployments at all."),
        ),
        migrations.AlterField(
            model_name="deployment",
            name="weight",
            field=models.PositiveIntegerField(default=1, help_text="Share of the requests; 0: none."),
        ),
    ]
