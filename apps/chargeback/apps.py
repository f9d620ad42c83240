"""Registers the chargeback app."""

from django.apps import AppConfig


class ChargebackConfig(AppConfig):
    name = "apps.chargeback"
    label = "chargeback"
    default_auto_field = "django.db.models.BigAutoField"
