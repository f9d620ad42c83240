"""What can be done with messages: tell, deliver, try again; channels that are told."""

from apps.notifications.services.channels import (
    AddedChannel,
    add_channel,
    renew_secret,
    retire_channel,
)
from apps.notifications.services.outbox import (
    DeliveryReport,
    Message,
    Notice,
    deliver_due,
    post,
    publish,
    retry,
)

__all__ = [
    "AddedChannel",
    "DeliveryReport",
    "Message",
    "Notice",
    "add_channel",
    "deliver_due",
    "post",
    "publish",
    "renew_secret",
    "retire_channel",
    "retry",
]
