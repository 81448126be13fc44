"""Which models an organization may use, for its pages."""

from django.db.models import Q

from accounts.models import Organization
from inference.models import Lifecycle, ServedModel, Visibility


def offered_models(organization: Organization) -> list[str]:
    """The ids of the published models that `organization` sees in `/v1/models`, in alphabetical order."""
    return list(
        ServedModel.objects.filter(
            Q(visibility=Visibility.PUBLIC) | Q(grants__organization=organization), published=True
        )
        .exclude(lifecycle=Lifecycle.RETIRED)
        .order_by("model_id")
        .values_list("model_id", flat=True)
        .distinct()
    )
