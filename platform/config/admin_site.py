"""The operators' admin: stock Django under our name."""

from django.contrib.admin import AdminSite


class HanseAdminSite(AdminSite):
    """Django's admin with Hanse's titles."""

    site_header = "Hanse"
    site_title = "Hanse admin"
    index_title = "Operations"
