"""Rows that belong to an organization are reached only through `for_organization`."""

from typing import Any, Self

from django.db import models


class TenantQuerySet(models.QuerySet[Any]):
    """A queryset that knows which of its columns leads to the organization."""

    organization_path = "organization"

    def for_organization(self, organization: Any) -> Self:
        """Only the rows of `organization` (an `Organization` or its primary key)."""
        return self.filter(**{self.organization_path: organization})


class ProjectTenantQuerySet(TenantQuerySet):
    """The same for rows that hang on a project."""

    organization_path = "project__organization"
