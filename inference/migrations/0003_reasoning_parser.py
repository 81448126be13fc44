"""Names of parsers that exist; until now the field had no effect and took any."""

from django.db import migrations, models

NAMES = ("qwen3", "deepseek_r1", "mistral")


def forget_unknown(apps, schema_editor):
    apps.get_model("inference", "ServedModel").objects.exclude(reasoning_parser__in=NAMES).update(reasoning_parser="")


class Migration(migrations.Migration):
    dependencies = [("inference", "0002_deployment_draining_since")]

    operations = [
        migrations.AlterField(
            model_name="servedmodel",
            name="reasoning_parser",
            field=models.CharField(
                blank=True,
                choices=[
                    ("qwen3", "<think>…</think> (Qwen3, Qwen3.5, GLM, Nemotron, hybrid DeepSeek)"),
                    ("deepseek_r1", "…</think>, thinks unasked (DeepSeek-R1)"),
                    ("mistral", "[THINK]…[/THINK] (Magistral)"),
                ],
                help_text="Tells what the model thinks from what it answers; empty: all is answer.",
                max_length=40,
            ),
        ),
        migrations.RunPython(forget_unknown, migrations.RunPython.noop),
    ]
