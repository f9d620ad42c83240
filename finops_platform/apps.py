"""Registers the shell, which brings management commands and no tables."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    name = "finops_platform"
    verbose_name = "Platform"
