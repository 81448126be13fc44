"""The admin app with our site."""

from django.contrib.admin.apps import AdminConfig


class HanseAdminConfig(AdminConfig):
    """Puts `HanseAdminSite` behind `django.contrib.admin.site`."""

    default_site = "config.admin_site.HanseAdminSite"
