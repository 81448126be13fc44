"""Signing in with an e-mail address and a password; the admin sends people here too."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpResponse

from accounts.client_address import client_address, trusted_proxies
from accounts.dashboard.brake import WINDOW_SECONDS, forgive, take_attempt


class SignInForm(AuthenticationForm):
    """Django's form behind the brake. Its answers are the same whether or not the address is known."""

    username = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    error_messages = {
        "invalid_login": "This e-mail address and password do not match. Check both, capital letters count.",
        "inactive": "This e-mail address and password do not match. Check both, capital letters count.",
    }

    def clean(self) -> dict[str, Any]:
        """Checks the password unless there were too many attempts."""
        email = self.cleaned_data.get("username")
        if self.request is None or not email:
            return super().clean()
        address = client_address(self.request, trusted_proxies())
        if not take_attempt(address=address, email=email):
            raise ValidationError(
                f"Too many attempts to sign in. Wait {WINDOW_SECONDS // 60} minutes, then try again.", code="braked"
            )
        cleaned = super().clean()
        forgive(address=address, email=email)
        return cleaned


class SignIn(LoginView):
    """`/login/`."""

    authentication_form = SignInForm
    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The page again: 429 when braked, so that scripts notice too."""
        response = super().form_invalid(form)
        if form.has_error("__all__", code="braked"):
            response.status_code = 429
            response["Retry-After"] = str(WINDOW_SECONDS)
        return response
