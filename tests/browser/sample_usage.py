"""A morning of usage for the demo's customer. Run by `manage.py shell`, on a stack made for tests or pictures."""

from datetime import UTC

from django.utils import timezone

from accounts.models import ApiKey, Organization
from billing.models import UsageHour

MORNING = [0, 0, 0, 2, 1, 9, 31, 64, 118, 131, 97, 142]

demo = Organization.objects.get(slug="demo")
key = ApiKey.objects.for_organization(demo).order_by("pk")[0]
midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
for hour, requests in enumerate(MORNING):
    sums = {
        "requests": requests,
        "failed_requests": requests // 60,
        "input_tokens": requests * 1310,
        "output_tokens": requests * 412,
        "cost_nano": requests * (1310 * 150 + 412 * 450),
    }
    if requests:
        UsageHour.objects.update_or_create(
            organization=demo,
            project=key.project,
            api_key=key,
            model_id="demo-chat",
            endpoint="chat.completions",
            hour=midnight.replace(hour=hour),
            defaults=sums,
        )
