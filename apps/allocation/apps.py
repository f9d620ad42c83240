"""Registers the allocation app."""

from django.apps import AppConfig


class AllocationConfig(AppConfig):
    name = "apps.allocation"
    label = "allocation"
    default_auto_field = "django.db.models.BigAutoField"
