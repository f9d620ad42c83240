"""Asking for a link, setting a password by it, and replacing one's own."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from apps.accounts import services, tokens
from apps.accounts.services import LinkPurpose
from apps.accounts.tasks import mail_password_link
from apps.accounts.web.forms import (
    AskForLinkForm,
    ChangePasswordForm,
    NewPasswordForm,
    show_refusal,
)
from apps.accounts.web.limits import Attempt
from apps.accounts.web.views.sign_in import address_of
from apps.core.db import current_schema
from apps.core.domain.access import Scope
from apps.core.domain.errors import TooMany, Unprocessable
from apps.core.web.page import Crumb, Page
from apps.core.web.views import PageMixin

LINK_IN_SESSION: Final = "password_link"
"""Where the session keeps the token, so that no address, log or referrer carries it on."""

SHOWN: Final = "form"
"""What stands in the address instead of the token."""


class AskForLink(FormView):  # type: ignore[type-arg]
    """Mails a link to whoever has an account; the answer is the same for everybody."""

    http_method_names = ["get", "post", "head", "options"]
    template_name = "accounts/password_reset.html"
    form_class = AskForLinkForm
    success_url = reverse_lazy("accounts:password_reset_done")

    def form_valid(self, form: AskForLinkForm) -> HttpResponse:
        email = form.cleaned_data["email"].strip().lower()
        attempt = Attempt("reset", email, address_of(self.request), timezone.now())
        try:
            attempt.count()
        except TooMany as refusal:
            form.add_error(None, refusal.message)
            response = self.render_to_response(self.get_context_data(form=form), status=429)
            response["Retry-After"] = str(refusal.retry_after)
            return response
        mail_password_link.delay_on_commit(
            schema=current_schema(), email=email, purpose=LinkPurpose.RESET.value
        )
        return super().form_valid(form)


class LinkSent(TemplateView):
    """Says that a link is on its way."""

    template_name = "accounts/password_reset_done.html"


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class SetPassword(FormView):  # type: ignore[type-arg]
    """Sets a password by a link: reads the token, hides it in the session, shows the form."""

    http_method_names = ["get", "post", "head", "options"]
    template_name = "accounts/password_reset_confirm.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("accounts:password_reset_complete")
    purpose: ClassVar[LinkPurpose]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        token: str = kwargs["token"]
        if token != SHOWN and tokens.holder_of(token, self.purpose) is not None:
            request.session[LINK_IN_SESSION] = token
            return HttpResponseRedirect(reverse(f"accounts:{self.purpose.value}", args=[SHOWN]))
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: NewPasswordForm) -> HttpResponse:
        try:
            services.set_password(
                token=self._token(),
                purpose=self.purpose,
                password=form.cleaned_data["new_password"],
                now=timezone.now(),
            )
        except Unprocessable as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        self.request.session.flush()
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        valid = tokens.holder_of(self._token(), self.purpose) is not None
        return super().get_context_data(validlink=valid, **kwargs)

    def _token(self) -> str:
        return (
            str(self.request.session.get(LINK_IN_SESSION, ""))
            if self.kwargs["token"] == SHOWN
            else ""
        )


class AcceptInvite(SetPassword):
    """The link of an invitation."""

    purpose = LinkPurpose.INVITE


class ResetPassword(SetPassword):
    """The link that somebody asked for."""

    purpose = LinkPurpose.RESET


class PasswordSet(TemplateView):
    """Says that the password was set and leads on to signing in."""

    template_name = "accounts/password_reset_complete.html"


@method_decorator(sensitive_post_parameters(), name="dispatch")
class Profile(PageMixin, FormView):  # type: ignore[type-arg]
    """What the platform knows of oneself, and one's password."""

    template_name = "accounts/profile.html"
    form_class = ChangePasswordForm
    success_url = reverse_lazy("accounts:profile")
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": None, "POST": None}

    def page(self) -> Page:
        return Page(title="Your profile", crumbs=[Crumb("Settings")])

    def form_valid(self, form: ChangePasswordForm) -> HttpResponse:
        try:
            user = services.change_password(
                user_id=self.actor.user_id or 0,
                old=form.cleaned_data["old_password"],
                new=form.cleaned_data["new_password"],
                now=timezone.now(),
            )
        except Unprocessable as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        update_session_auth_hash(self.request, user)
        messages.success(self.request, "Your password is changed; other sessions have ended.")
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        actor = self.actor
        scopes = sorted(scope.value for scope in actor.scopes)
        return super().get_context_data(actor=actor, scopes=scopes, **kwargs)
