"""The first page, below `/o/<slug>/`."""

from django.urls import path

from billing.dashboard import views

urlpatterns = [
    path("", views.overview, name="overview"),
]
