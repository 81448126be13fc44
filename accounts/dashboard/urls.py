"""Key pages, below `/o/<slug>/`."""

from django.urls import path

from accounts.dashboard import views

urlpatterns = [
    path("keys/", views.keys, name="keys"),
    path("keys/issue/", views.issue, name="issue-key"),
    path("keys/<str:public_id>/revoke/", views.revoke, name="revoke-key"),
]
