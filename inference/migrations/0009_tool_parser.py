"""Names of parsers that exist; until now the field had no effect and took any."""

from django.db import migrations, models

import inference.models.catalogue

NAMES = ("hermes", "qwen3_coder", "llama3_json", "mistral", "openai", "glm45", "pass_through")


def forget_unknown(apps, schema_editor):
    apps.get_model("inference", "ServedModel").objects.exclude(tool_parser__in=NAMES).update(tool_parser="")


class Migration(migrations.Migration):
    dependencies = [("inference", "0008_image_sizes")]

    operations = [
        migrations.AlterField(
            model_name="servedmodel",
            name="tool_parser",
            field=models.CharField(
                blank=True,
                choices=inference.models.catalogue.tool_call_formats,
                help_text="Tells calls of tools from what the model answers; empty: requests with tools are refused.",
                max_length=40,
            ),
        ),
        migrations.RunPython(forget_unknown, migrations.RunPython.noop),
    ]
