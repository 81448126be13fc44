from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inference", "0005_tensor_models")]

    operations = [
        migrations.AddField(
            model_name="servedmodel",
            name="fim_template",
            field=models.TextField(
                blank=True,
                help_text="Jinja with prefix and suffix, for completions with a suffix; empty: the model fills no gaps.",
                verbose_name="fill-in-the-middle template",
            ),
        ),
    ]
