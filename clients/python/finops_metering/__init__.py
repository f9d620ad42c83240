"""Meters and guards generative AI: records use without waiting, asks before money is spent."""

from finops_metering.aio import AsyncClient
from finops_metering.anthropic import meter_anthropic
from finops_metering.client import Client
from finops_metering.decisions import Decision, Denied, NeedsApproval, Reason, Unreachable
from finops_metering.errors import ApiError, EventError, EventNotValid
from finops_metering.guard import AsyncGuard, Guard
from finops_metering.holds import Hold, current_hold
from finops_metering.metered import tagged
from finops_metering.openai import meter_openai
from finops_metering.options import Stats

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncGuard",
    "Client",
    "Decision",
    "Denied",
    "EventError",
    "EventNotValid",
    "Guard",
    "Hold",
    "NeedsApproval",
    "Reason",
    "Stats",
    "Unreachable",
    "current_hold",
    "meter_anthropic",
    "meter_openai",
    "tagged",
]
__version__ = "0.1.0"
