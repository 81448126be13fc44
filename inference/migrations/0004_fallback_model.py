"""Organizations with a model that answers where they ask for one that is not there."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("inference", "0003_reasoning_parser")]

    operations = [
        migrations.CreateModel(
            name="FallbackModel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "model",
                    models.ForeignKey(
                        help_text="It answers under its own name and price.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="inference.servedmodel",
                    ),
                ),
                (
                    "organization",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fallback_model",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={"ordering": ["organization__slug"]},
        ),
    ]
