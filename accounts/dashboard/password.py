"""A person's own password."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from accounts.services import set_password


class OwnPasswordForm(PasswordChangeForm):
    """Django's form, saved by the service that writes the trail."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django's help is a list, which no paragraph may hold.
        self.fields["new_password1"].help_text = " ".join(password_validators_help_texts())
        self.fields["new_password2"].label = "New password again"

    def save(self, commit: bool = True) -> Any:
        """Sets the password, which ends every other session of the person."""
        set_password(actor=self.user, user=self.user, password=self.cleaned_data["new_password1"])
        return self.user


@method_decorator(never_cache, name="dispatch")
class ChangePassword(PasswordChangeView):
    """`/password/`."""

    form_class = OwnPasswordForm
    template_name = "accounts/password.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Home again, where the message is shown."""
        answer = super().form_valid(form)
        messages.success(self.request, "Your password is changed. Wherever else you were signed in, you no longer are.")
        return answer
