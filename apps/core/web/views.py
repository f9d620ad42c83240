"""The base of every page of the console, and the living style page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import TemplateView
from django.views.generic.base import ContextMixin, View

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden
from apps.core.web import style
from apps.core.web.page import Page


class PageMixin(ContextMixin, View):
    """A page for signed-in people, closed unless the method is listed in `scopes`.

    A view says `scopes = {"GET": Scope.COSTS_READ, "POST": Scope.CLOSE_RUN}`; None as the scope
    lets in everybody who is signed in.
    """

    scopes: ClassVar[Mapping[str, Scope | None]] = {}

    @property
    def actor(self) -> Actor:
        """Return who is signed in."""
        actor: Actor = self.request.actor  # type: ignore[attr-defined]
        return actor

    def page(self) -> Page:
        """Return the head of the page."""
        raise NotImplementedError(f"{type(self).__name__} must say its page().")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"page": self.page(), **kwargs})

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not isinstance(getattr(request, "actor", None), Actor):
            return redirect_to_login(request.get_full_path())
        self._require(request.method or "GET")
        return super().dispatch(request, *args, **kwargs)

    def _require(self, method: str) -> None:
        method = "GET" if method == "HEAD" else method
        if not hasattr(self, method.lower()):
            return  # the view answers 405
        if method not in self.scopes:
            raise Forbidden("This page is not open to anybody yet.", code="scope_undeclared")
        scope = self.scopes[method]
        if scope is not None:
            self.actor.require(scope)


class StylePage(PageMixin, TemplateView):
    """Shows every component with realistic data; the reference of page authors."""

    template_name = "core/style.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = {"GET": None}

    def page(self) -> Page:
        return style.page()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**style.specimens(self.request), **kwargs)
