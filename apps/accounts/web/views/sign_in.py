"""Signing in and out."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, View

from apps.accounts import services
from apps.accounts.models import User
from apps.accounts.web.forms import SignInForm
from apps.accounts.web.limits import Attempt
from apps.core.domain.errors import TooMany

log = structlog.get_logger(__name__)


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class SignIn(FormView):  # type: ignore[type-arg]
    """Opens a session for whoever knows an e-mail address and its password."""

    http_method_names = ["get", "post", "head", "options"]
    template_name = "accounts/login.html"
    form_class = SignInForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if getattr(request, "actor", None) is not None:
            return HttpResponseRedirect(self.next_url())
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: SignInForm) -> HttpResponse:
        email, password = form.cleaned_data["email"], form.cleaned_data["password"]
        now = timezone.now()
        attempt = Attempt("sign-in", email, address_of(self.request), now)
        try:
            attempt.count()
        except TooMany as refusal:
            return self._refused(form, refusal)
        user = authenticate(self.request, username=email, password=password)
        if not isinstance(user, User):
            log.warning("sign-in failed", address=attempt.address)
            form.add_error(None, "The e-mail address or the password is wrong.")
            return self.form_invalid(form)
        attempt.forgive()
        login(self.request, user)  # gives the session a new key
        services.note_sign_in(user=user, address=attempt.address, now=now)
        return HttpResponseRedirect(self.next_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        wanted = self.next_url()
        shown = wanted if wanted != settings.LOGIN_REDIRECT_URL else ""
        return super().get_context_data(next=shown, **kwargs)

    def next_url(self) -> str:
        """Return where to go afterwards: a path of this very host, else the start page."""
        wanted = self.request.POST.get("next") or self.request.GET.get("next") or ""
        safe = url_has_allowed_host_and_scheme(
            wanted, allowed_hosts=None, require_https=self.request.is_secure()
        )
        return wanted if safe and wanted.startswith("/") else settings.LOGIN_REDIRECT_URL

    def _refused(self, form: SignInForm, refusal: TooMany) -> HttpResponse:
        form.add_error(None, refusal.message)
        response = self.render_to_response(self.get_context_data(form=form), status=429)
        response["Retry-After"] = str(refusal.retry_after)
        return response


class SignOut(View):
    """Closes the session; only by POST, so that no link or image does it."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        if isinstance(request.user, User):
            services.note_sign_out(user=request.user, now=timezone.now())
        logout(request)
        return HttpResponseRedirect(settings.LOGOUT_REDIRECT_URL)


def address_of(request: HttpRequest) -> str:
    """Return the network address of the peer."""
    return str(request.META.get("REMOTE_ADDR", ""))
