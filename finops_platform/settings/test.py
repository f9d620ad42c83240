"""Settings of the tests: servers of their own, one database a pytest worker, no outside world.

`FINOPS_TEST_HOME` says where the servers' files lie and stay, so that the next run finds the
migrated template; without it they go to a fresh place and are removed.
"""

from __future__ import annotations

import os

if "FINOPS_TEST_HOME" not in os.environ:
    os.environ["FINOPS_TEST_HOME"] = f"/tmp/finops-test-{os.getpid()}"  # noqa: S108
    os.environ["FINOPS_TEST_KEEP"] = "0"
TEST_HOME = os.environ["FINOPS_TEST_HOME"]
for _name in ("DATABASE_URL", "OWNER_DATABASE_URL", "BROKER_URL", "CACHE_URL", "STORAGE_URL"):
    os.environ.pop(_name, None)
    os.environ.pop(f"{_name}_FILE", None)
os.environ["FINOPS_HOME"] = TEST_HOME
os.environ["EMAIL_URL"] = "console:"

from finops_platform.embedded.services import valkey_url  # noqa: E402
from finops_platform.settings.embedded import *  # noqa: E402, F403
from finops_platform.settings.embedded import (  # noqa: E402
    DATABASES,
    HOME,
    OWNER_DATABASE,
    REST_FRAMEWORK,
)

SECRET_KEY = "for-tests-only-" + "x" * 40
TEST_DATABASE = os.environ.get(
    "FINOPS_TEST_DATABASE", f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
)
DATABASES["default"]["NAME"] = TEST_DATABASE
OWNER_DATABASE["NAME"] = TEST_DATABASE
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
# Workers share one broker, so each has a database of its own there: no other takes its tasks.
_number = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0)
BROKER_URL = valkey_url(HOME, scheme="redis+socket", database=1 + _number % 60)
CELERY_BROKER_URL = BROKER_URL
RATE_LIMIT_URL = valkey_url(HOME, scheme="unix", database=61 + _number % 3)
# Servers that a live test starts answer on whatever port was free.
TENANT_BASE_DOMAIN = "localhost"
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost", ".localhost"]
OPERATOR_HOSTS = ["testserver", "127.0.0.1", "localhost"]
PUBLIC_URL = "http://127.0.0.1:8000"

# Process-local, so that no test sees what another cached.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": TEST_DATABASE,
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
    }
}
CELERY_TASK_ALWAYS_EAGER = os.environ.get("FINOPS_TEST_LIVE") != "1"
CELERY_TASK_EAGER_PROPAGATES = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK["TEST_REQUEST_DEFAULT_FORMAT"] = "json"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
METRICS_TOKEN = None
LOG_LEVEL = "WARNING"
