"""Registers the budgets app."""

from django.apps import AppConfig


class BudgetsConfig(AppConfig):
    name = "apps.budgets"
    label = "budgets"
    default_auto_field = "django.db.models.BigAutoField"
