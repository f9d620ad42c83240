"""Shapes of channels, deliveries, inboxes and preferences."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.domain.errors import FieldError
from apps.notifications.domain.channels import ChannelDraft, ChannelInvalid, Kind
from apps.notifications.domain.preferences import PreferenceInvalid, Preferences
from apps.notifications.domain.topics import Cadence, Medium, Topic

_TOPICS = [topic.value for topic in Topic]


class ChannelInput(serializers.Serializer[ChannelDraft]):
    """A channel to add."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in Kind])
    name = serializers.CharField(max_length=100)
    address = serializers.CharField(
        max_length=500,
        help_text="an e-mail address, or the https URL of a webhook, of ours or of Slack",
    )
    topics = serializers.ListField(
        child=serializers.ChoiceField(choices=_TOPICS), allow_empty=False
    )

    def to_draft(self) -> ChannelDraft:
        """Return the channel as the service takes it."""
        asked = self.validated_data
        return ChannelDraft(
            kind=Kind(asked["kind"]),
            name=asked["name"],
            address=asked["address"],
            topics=frozenset(Topic(topic) for topic in asked["topics"]),
        )


class ChannelChange(serializers.Serializer[Any]):
    """What changes of a channel; what is left out stays."""

    name = serializers.CharField(max_length=100, required=False)
    topics = serializers.ListField(
        child=serializers.ChoiceField(choices=_TOPICS), allow_empty=False, required=False
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what cannot change by name, instead of leaving it as it was without a word."""
        if unknown := sorted(set(self.initial_data) - {"name", "topics"}):
            message = "Only name and topics change; for another address retire the channel."
            raise ChannelInvalid(
                message, errors=tuple(FieldError(name, "read_only", message) for name in unknown)
            )
        return attrs


class ChannelOutput(serializers.Serializer[Any]):
    """A channel in use; of Slack's address only the end is shown."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    name = serializers.CharField()
    address = serializers.CharField(source="shown_address")
    topics = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class SecretOutput(serializers.Serializer[Any]):
    """A webhook's new signing secret, shown once."""

    id = serializers.UUIDField()
    secret = serializers.CharField()


class DeliveryOutput(serializers.Serializer[Any]):
    """A message to one recipient, and how far it has come."""

    id = serializers.UUIDField()
    message = serializers.CharField()
    kind = serializers.CharField()
    recipient = serializers.CharField()
    subject = serializers.CharField()
    state = serializers.CharField()
    attempts = serializers.IntegerField()
    last_error = serializers.CharField()
    created_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)


class DeliveryPage(serializers.Serializer[Any]):
    """A page of deliveries, newest first; `next` is the cursor of the older ones."""

    results = DeliveryOutput(many=True)
    next = serializers.CharField(allow_null=True)


class DeliveriesQuery(serializers.Serializer[Any]):
    """Which deliveries are listed."""

    state = serializers.ChoiceField(
        choices=["queued", "sent", "failed"], required=False, default=""
    )
    kind = serializers.ChoiceField(
        choices=[kind.value for kind in Kind], required=False, default=""
    )
    cursor = serializers.IntegerField(min_value=1, required=False, default=None, allow_null=True)
    page_size = serializers.IntegerField(min_value=1, max_value=500, required=False, default=50)


class InboxQuery(serializers.Serializer[Any]):
    """Which notices of one's inbox are listed."""

    unread = serializers.BooleanField(required=False, default=False)
    topic = serializers.ChoiceField(choices=_TOPICS, required=False, default="")
    cursor = serializers.IntegerField(min_value=1, required=False, default=None, allow_null=True)
    page_size = serializers.IntegerField(min_value=1, max_value=500, required=False, default=50)


class InboxOutput(serializers.Serializer[Any]):
    """A notice in one's inbox."""

    id = serializers.UUIDField()
    topic = serializers.CharField()
    severity = serializers.CharField()
    subject = serializers.CharField()
    text = serializers.CharField()
    link = serializers.CharField(help_text="path of the page it is about, or empty")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class InboxPage(serializers.Serializer[Any]):
    """A page of one's inbox, newest first; `next` is the cursor of the older ones."""

    results = InboxOutput(many=True)
    next = serializers.CharField(allow_null=True)


class ReadInput(serializers.Serializer[Any]):
    """The notices that were read; without ids, all of them."""

    ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_empty=False, max_length=500
    )


class ReadOutput(serializers.Serializer[Any]):
    """How many of them had been unread."""

    read = serializers.IntegerField()


class PreferencesShape(serializers.Serializer[Any]):
    """Choices by topic and medium: `{"budget.alert": {"inbox": "at_once", "email": "digest"}}`."""

    preferences = serializers.DictField(
        child=serializers.DictField(
            child=serializers.ChoiceField(choices=[one.value for one in Cadence])
        )
    )

    def to_chosen(self) -> dict[tuple[Topic, Medium], Cadence]:
        """Return the choices as the service takes them.

        :raises PreferenceInvalid: when a topic or a medium is unknown.
        """
        given = self.validated_data["preferences"]
        wrong = [
            FieldError(f"preferences.{topic}.{medium}", "unknown", "No such topic or medium.")
            for topic, choices in given.items()
            for medium in choices
            if topic not in _TOPICS or medium not in [one.value for one in Medium]
        ]
        if wrong:
            raise PreferenceInvalid("Name topics and media that there are.", errors=tuple(wrong))
        return {
            (Topic(topic), Medium(medium)): Cadence(cadence)
            for topic, choices in given.items()
            for medium, cadence in choices.items()
        }


def preferences_body(held: Preferences) -> dict[str, Any]:
    """Return every topic with what holds for it."""
    return {
        "preferences": {
            topic.value: {medium.value: held.of(topic, medium).value for medium in Medium}
            for topic in Topic
        }
    }
