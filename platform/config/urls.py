"""Pages and the admin. `/v1` is mounted in front of these, in `config.asgi`."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.dashboard.home import home
from accounts.dashboard.password import ChangePassword
from accounts.dashboard.sign_in import SignIn
from inference.dashboard.reference import reference
from inference.selectors import offered_models

urlpatterns = [
    path("", home, name="home"),
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", ChangePassword.as_view(), name="password"),
    path("reference/", reference, name="reference"),
    path("favicon.ico", RedirectView.as_view(url=static("hanse/favicon.svg"))),
    # The dashboards name the models that a customer may use; the catalogue is above them, so it is handed in here.
    path(
        "o/<slug:slug>/",
        include([path("", include("billing.dashboard.urls")), path("", include("accounts.dashboard.urls"))]),
        {"offered_models": offered_models},
    ),
    path("admin/", admin.site.urls),
]
