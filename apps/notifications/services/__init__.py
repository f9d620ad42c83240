"""What can be done with messages: tell, deliver, digest, read; channels that are told."""

from apps.notifications.domain.notices import Message, Notice, Offer
from apps.notifications.services.channels import (
    AddedChannel,
    add_channel,
    change_channel,
    renew_secret,
    retire_channel,
    send_test,
)
from apps.notifications.services.digests import send_digests
from apps.notifications.services.inboxes import mark_all_read, mark_read, set_preferences
from apps.notifications.services.outbox import DeliveryReport, deliver_due, retry
from apps.notifications.services.publishing import post, publish

__all__ = [
    "AddedChannel",
    "DeliveryReport",
    "Message",
    "Notice",
    "Offer",
    "add_channel",
    "change_channel",
    "deliver_due",
    "mark_all_read",
    "mark_read",
    "post",
    "publish",
    "renew_secret",
    "retire_channel",
    "retry",
    "send_digests",
    "send_test",
    "set_preferences",
]
