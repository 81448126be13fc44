"""Filters for tables of any size: an exact value is typed, where a list of all values would read the whole table."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import ApiKey, Organization
from billing.models import UsageRecord
from billing.partitions import id_at

SUGGESTIONS = 200


class InputFilter(admin.SimpleListFilter):
    """A field in the sidebar to type a value into."""

    template = "admin/billing/input_filter.html"
    input_type = "text"
    placeholder = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One, so that Django shows the filter; the template ignores it."""
        return [("", "")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What the template needs: this value, the other parameters to keep, and the way back."""
        kept = {name: value for name, value in changelist.params.items() if name != self.parameter_name}
        yield {
            "value": self.value() or "",
            "kept": kept,
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
            "suggestions": self.suggestions(),
        }

    def suggestions(self) -> list[str]:
        """Values to offer while typing."""
        return []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the typed value; all without one."""
        value = (self.value() or "").strip()
        return self.narrowed(queryset, value) if value else queryset

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The rows of `value`."""
        raise NotImplementedError


class OrganizationFilter(InputFilter):
    """By the organization's slug."""

    title = "organization"
    parameter_name = "organization"
    placeholder = "slug"

    def suggestions(self) -> list[str]:
        """The first slugs."""
        return list(Organization.objects.order_by("slug").values_list("slug", flat=True)[:SUGGESTIONS])

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Its id is looked up first: planners do not see through a subquery how few rows it has."""
        return queryset.filter(organization__in=list(Organization.objects.filter(slug=value)))


class KeyFilter(InputFilter):
    """By the key's public id."""

    title = "API key"
    parameter_name = "key"
    placeholder = "public id"

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """As for organizations."""
        return queryset.filter(api_key__in=list(ApiKey.objects.filter(public_id=value)))


class ModelFilter(InputFilter):
    """By the model's id."""

    title = "model"
    parameter_name = "model"
    placeholder = "id"

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Exactly this model."""
        return queryset.filter(model_id=value)


class DayFilter(InputFilter):
    """By the day (UTC).

    In place of Django's `date_hierarchy`, which reads every row to find out which years, months or days there are.
    """

    title = "day"
    parameter_name = "day"
    input_type = "date"

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Raises `IncorrectLookupParameters` for what is no date, as Django's own filters do."""
        try:
            day = date.fromisoformat(value)
            begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
            end = begin + timedelta(days=1)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters from error
        if queryset.model is UsageRecord:
            # Along the key, so that PostgreSQL opens one partition only.
            return queryset.filter(id__gte=id_at(begin), id__lt=id_at(end))
        return queryset.filter(hour__gte=begin, hour__lt=end)


class RatedFilter(admin.SimpleListFilter):
    """Records without a cost: something is wrong with a price or an engine's counts."""

    title = "rating"
    parameter_name = "rating"
    CHOICES: ClassVar[list[tuple[str, str]]] = [("unrated", "Unrated"), ("rated", "Rated")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Unrated, rated."""
        return self.CHOICES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those without or with a cost."""
        if self.value() is None:
            return queryset
        return queryset.filter(cost_nano__isnull=self.value() == "unrated")
