"""What pages of terms share: the end of one, its withdrawal, and what was done to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, View

from apps.audit import selectors as audit
from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.rating.tasks import request_adoption
from apps.rating.web.forms import EndForm, show_refusal

_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE, "POST": Scope.PRICES_WRITE}
_DONE: Final = {"recorded": "recorded", "ended": "set the end of", "withdrawn": "withdrew"}


class EndTerm(PageMixin, FormView):  # type: ignore[type-arg]
    """Ends a contract price or a discount at a moment.

    `argument` is the name of its id in the address and at the service `deed`, `shown_at` its page.
    """

    template_name = "rating/price_end.html"
    form_class = EndForm
    scopes = _WRITE
    argument: ClassVar[str]
    shown_at: ClassVar[str]
    deed: ClassVar[Callable[..., UUID]]
    submit: ClassVar[str]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        back = reverse(self.shown_at, args=[self.kwargs[self.argument]])
        return super().get_context_data(cancel_url=back, submit=self.submit, **kwargs)

    def form_valid(self, form: EndForm) -> HttpResponse:
        try:
            ended = type(self).deed(
                **{self.argument: self.kwargs[self.argument]},
                valid_to=form.cleaned_data["valid_to"],
                actor=self.actor,
                now=timezone.now(),
            )
        except Missing:
            raise
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        request_adoption()
        said = f"The {self.argument} ends then; open months are being re-rated."
        messages.success(self.request, said)
        return HttpResponseRedirect(reverse(self.shown_at, args=[ended]))


class WithdrawTerm(PageMixin, View):
    """Withdraws a contract price or a discount that was entered in error."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.PRICES_WRITE}
    argument: ClassVar[str]
    shown_at: ClassVar[str]
    deed: ClassVar[Callable[..., None]]
    refused: ClassVar[type[Refusal]]

    def post(self, request: HttpRequest, **named: UUID) -> HttpResponseBase:
        term = named[self.argument]
        try:
            type(self).deed(
                **{self.argument: term},
                reason=request.POST.get("reason", ""),
                actor=self.actor,
                now=timezone.now(),
            )
        except self.refused as refusal:
            messages.error(request, refusal.message)
        else:
            request_adoption()
            said = f"The {self.argument} is withdrawn; open months are being re-rated."
            messages.success(request, said)
        return HttpResponseRedirect(reverse(self.shown_at, args=[term]))


def entries_of(*, subject: str, term: UUID, word: str, note: str) -> list[Entry]:
    """Return what was done to a term, the latest first; `word` names it: "price"."""
    history = audit.history(subject=subject, subject_id=str(term))
    return [
        Entry(
            at=one.at,
            actor=one.actor,
            text=_in_words(one.action, word),
            detail=str(one.detail.get("reason", "")) or note,
            mark=one.hash[:12],
        )
        for one in reversed(history)
    ]


def _in_words(action: str, word: str) -> str:
    done = _DONE.get(action.rpartition(".")[2])
    return action if done is None else f"{done} this {word}"
