"""Registers the shell, which brings management commands and no tables."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    name = "finops_platform"
    verbose_name = "Platform"

    def ready(self) -> None:
        from finops_platform import openapi  # noqa: F401 (registers the schemes with drf-spectacular)
