"""Settings, Notifications: channels and what they are told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import FormView, TemplateView
from django.views.generic.base import View

from apps.core.db import current_schema
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.page import Action, Crumb, Page
from apps.core.web.views import PageMixin
from apps.notifications import selectors, services
from apps.notifications.domain.channels import ChannelDraft, Kind
from apps.notifications.domain.topics import GROUPS, WORDS, Topic
from apps.notifications.selectors import ChannelFacts
from apps.notifications.tasks import deliver
from apps.notifications.web.shared import CHANGE, KINDS, READ, tabs

_TOPICS = [(group, [(topic.value, WORDS[topic]) for topic in topics]) for group, topics in GROUPS]
_ICONS = {Kind.EMAIL: "mail", Kind.WEBHOOK: "link", Kind.SLACK: "hash"}


class TopicsForm(forms.Form):
    """What a channel is called and told of."""

    name = forms.CharField(label="Name", max_length=100)
    topics = forms.MultipleChoiceField(
        label="Told when", widget=forms.CheckboxSelectMultiple, choices=_TOPICS
    )

    def chosen(self) -> frozenset[Topic]:
        """Return the topics as the service takes them."""
        return frozenset(Topic(topic) for topic in self.cleaned_data["topics"])


class ChannelForm(TopicsForm):
    """A channel to add."""

    kind = forms.ChoiceField(label="Kind", choices=KINDS)
    address = forms.CharField(
        label="Address",
        max_length=500,
        help_text="An e-mail address, the https URL of a webhook, or the URL of an incoming "
        "webhook that Slack gave you.",
    )
    field_order = ("kind", "name", "address", "topics")

    def to_draft(self) -> ChannelDraft:
        """Return the channel as the service takes it."""
        asked = self.cleaned_data
        return ChannelDraft(
            kind=Kind(asked["kind"]),
            name=asked["name"],
            address=asked["address"],
            topics=self.chosen(),
        )


class Channels(PageMixin, TemplateView):
    """Lists the channels in use."""

    template_name = "notifications/channels.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = READ

    def page(self) -> Page:
        add = Action(label="Add a channel", url=reverse("notifications:new"), icon="plus")
        return Page(
            title="Notifications",
            subtitle="Channels that the whole organization is told by. What you are told of "
            "yourself is chosen in your inbox.",
            primary=add if self.actor.may(Scope.ADMIN) else None,
            tabs=tabs("channels"),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = [_shown(one) for one in selectors.channels(actor=self.actor)]
        return super().get_context_data(
            channels=rows, may_change=self.actor.may(Scope.ADMIN), **kwargs
        )


def _shown(one: ChannelFacts) -> dict[str, Any]:
    return {
        "facts": one,
        "icon": _ICONS[one.kind],
        "kind": dict(KINDS)[one.kind.value],
        "topics": [WORDS[topic] for topic in one.topics],
        "is_webhook": one.kind is Kind.WEBHOOK,
    }


class NewChannel(PageMixin, FormView):  # type: ignore[type-arg]
    """Adds a channel; a webhook's secret is shown once."""

    template_name = "notifications/channel_new.html"
    form_class = ChannelForm
    scopes: ClassVar[Mapping[str, Scope | None]] = CHANGE

    def page(self) -> Page:
        return Page(
            title="Add a channel",
            subtitle="A mailbox, a channel of Slack, or a webhook whose deliveries are signed and "
            "tried again until they are taken.",
            crumbs=[Crumb("Notifications", reverse("notifications:channels"))],
        )

    def form_valid(self, form: ChannelForm) -> HttpResponse:
        try:
            added = services.add_channel(
                draft=form.to_draft(), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            return self.form_invalid(_with_errors(form, refusal))
        if added.secret:
            return self.render_to_response(self.get_context_data(form=form, secret=added.secret))
        messages.success(self.request, "Added. Send a test message to see that it arrives.")
        return HttpResponseRedirect(reverse("notifications:channels"))


class EditChannel(PageMixin, FormView):  # type: ignore[type-arg]
    """Names a channel otherwise and tells it of other topics."""

    template_name = "notifications/channel_new.html"
    form_class = TopicsForm
    scopes: ClassVar[Mapping[str, Scope | None]] = CHANGE

    def page(self) -> Page:
        facts = self._facts
        return Page(
            title=f"Change {facts.name}",
            subtitle=f"{dict(KINDS)[facts.kind.value]} to {facts.shown_address}. For another "
            "address, retire this channel and add one.",
            crumbs=[Crumb("Notifications", reverse("notifications:channels"))],
        )

    def get_initial(self) -> dict[str, Any]:
        facts = self._facts
        return {"name": facts.name, "topics": [topic.value for topic in facts.topics]}

    def form_valid(self, form: TopicsForm) -> HttpResponse:
        try:
            services.change_channel(
                id=self.kwargs["id"],
                name=form.cleaned_data["name"],
                topics=form.chosen(),
                actor=self.actor,
                now=timezone.now(),
            )
        except Refusal as refusal:
            return self.form_invalid(_with_errors(form, refusal))
        messages.success(self.request, "Changed.")
        return HttpResponseRedirect(reverse("notifications:channels"))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(submit="Save", **kwargs)

    @cached_property
    def _facts(self) -> ChannelFacts:
        return selectors.channel(id=self.kwargs["id"], actor=self.actor)


def _with_errors(form: Any, refusal: Refusal) -> Any:
    for wrong in refusal.errors:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)
    return form


class Renew(PageMixin, TemplateView):
    """Renews a webhook's secret and shows it once."""

    http_method_names = ["post", "options"]
    template_name = "notifications/channel_new.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.ADMIN}

    def page(self) -> Page:
        return Page(
            title="A new secret",
            subtitle="Deliveries are signed with it from now on.",
            crumbs=[Crumb("Notifications", reverse("notifications:channels"))],
        )

    def post(self, request: HttpRequest, id: UUID) -> HttpResponse:
        try:
            added = services.renew_secret(id=id, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(reverse("notifications:channels"))
        return self.render_to_response(self.get_context_data(secret=added.secret))


class SendTest(PageMixin, View):
    """Sends a test message and shows what becomes of it among the deliveries."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.ADMIN}

    def post(self, request: HttpRequest, id: UUID) -> HttpResponse:
        try:
            services.send_test(id=id, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(reverse("notifications:channels"))
        deliver.delay_on_commit(schema=current_schema())
        messages.success(request, "A test message is on its way; the list shows whether it came.")
        return HttpResponseRedirect(reverse("notifications:deliveries"))


class Retire(PageMixin, View):
    """Retires a channel."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.ADMIN}

    def post(self, request: HttpRequest, id: UUID) -> HttpResponse:
        try:
            services.retire_channel(id=id, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, "Retired: it is told nothing any more.")
        return HttpResponseRedirect(reverse("notifications:channels"))
