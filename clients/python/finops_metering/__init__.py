"""Meters generative AI: records usage without waiting, and sends it until it is stored."""

from finops_metering.aio import AsyncClient
from finops_metering.anthropic import meter_anthropic
from finops_metering.client import Client
from finops_metering.errors import ApiError, EventError, EventNotValid
from finops_metering.metered import tagged
from finops_metering.openai import meter_openai
from finops_metering.options import Stats

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "EventError",
    "EventNotValid",
    "Stats",
    "meter_anthropic",
    "meter_openai",
    "tagged",
]
__version__ = "0.1.0"
