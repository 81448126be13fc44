"""Pages and the admin. `/v1` is mounted in front of these, in `config.asgi`."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
