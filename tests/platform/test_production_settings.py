"""Production settings start on sound values only, and Django's own checklist agrees."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from finops_platform.embedded.home import REPOSITORY

GOOD = {
    "SECRET_KEY": "kJ8s-2mQx9_vL4pR7tW1zY5bN3cF6gH0dA_eU-iO8sT2wX4yZ6q",
    "OPERATOR_HOSTS": "finops.example.com",
    "TENANT_BASE_DOMAIN": "finops.example.com",
    "DATABASE_URL": "postgresql://finops_app:a@db.invalid/finops",
    "OWNER_DATABASE_URL": "postgresql://finops_owner:b@db.invalid/finops",
    "BROKER_URL": "redis://valkey.invalid:6379/0",
    "CACHE_URL": "redis://valkey.invalid:6379/1",
    "STORAGE_URL": "s3://documents/finops",
    "EMAIL_URL": "smtp://mail.invalid:587",
}


def check_deploy(**changes: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=REPOSITORY,
        env={
            **kept,
            **GOOD,
            **changes,
            "DJANGO_SETTINGS_MODULE": "finops_platform.settings.production",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_sound_values_pass_the_deployment_checklist() -> None:
    done = check_deploy()
    assert done.stdout + done.stderr == "System check identified no issues (0 silenced).\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY: is required here"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY: is a default or too simple"),
        ({"SECRET_KEY": "django-insecure-" + GOOD["SECRET_KEY"]}, "SECRET_KEY: is a default"),
        ({"SECRET_KEY": "x" * 60}, "SECRET_KEY: is a default or too simple"),
        ({"DEBUG": "1"}, "DEBUG: must be off in production"),
        ({"FINOPS_DEBUG": "1"}, "DEBUG: must be off in production"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS: '*' is open to any host"),
        ({"OPERATOR_HOSTS": "*"}, "ALLOWED_HOSTS: '*' is open to any host"),
        ({"OPERATOR_HOSTS": ""}, "OPERATOR_HOSTS: is required here"),
        ({"TENANT_BASE_DOMAIN": ""}, "TENANT_BASE_DOMAIN: is required here"),
        ({"DATABASE_URL": ""}, "DATABASE_URL: is required here"),
        ({"OWNER_DATABASE_URL": GOOD["DATABASE_URL"]}, "the application must not own its tables"),
        ({"FINOPS_DB_ROLE": "owner", "OWNER_DATABASE_URL": ""}, "OWNER_DATABASE_URL: is required"),
        ({"EMAIL_URL": "carrier-pigeon://coop"}, "EMAIL_URL: must start with one of"),
    ],
)
def test_unsound_values_are_refused_by_name(changes: dict[str, str], words: str) -> None:
    done = check_deploy(**changes)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
