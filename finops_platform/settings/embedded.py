"""The default: everything on this machine, and every URL in the environment replaces one part."""

from __future__ import annotations

import os

from finops_platform.embedded.credentials import APP_ROLE, OWNER_ROLE, existing_secret
from finops_platform.embedded.home import Home
from finops_platform.embedded.services import database_url, valkey_url
from finops_platform.env import (
    SettingInvalid,
    parse_database,
    parse_email,
    parse_redis,
    parse_storage,
)
from finops_platform.settings.base import *  # noqa: F403
from finops_platform.settings.base import env

EMBEDDED = True
HOME = Home.from_environment()
DEBUG = env.flag("FINOPS_DEBUG", default=False)
# Before the first start no key is on disk; commands that need none (checks, schema) run anyway.
SECRET_KEY = (
    env.optional("SECRET_KEY") or existing_secret(HOME, "secret_key") or os.urandom(48).hex()
)

HOST = env.text("HOST", default="127.0.0.1")
PORT = env.number("PORT", default=8000, low=1, high=65535)
TENANT_BASE_DOMAIN = "localhost"  # tenants live at http://<slug>.localhost:PORT
OPERATOR_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
if HOST not in (*OPERATOR_HOSTS, "0.0.0.0", "::", "::1"):  # noqa: S104 (compared, not bound)
    OPERATOR_HOSTS.append(HOST)
ALLOWED_HOSTS = [*OPERATOR_HOSTS, ".localhost", *env.words("ALLOWED_HOSTS")]
PUBLIC_URL = env.text("PUBLIC_URL", default=f"http://127.0.0.1:{PORT}")
METRICS_FROM_LOOPBACK = True

DATABASE = parse_database(
    "DATABASE_URL", env.text("DATABASE_URL", default=database_url(HOME, role=APP_ROLE))
)
OWNER_DATABASE = parse_database(
    "OWNER_DATABASE_URL",
    env.optional("OWNER_DATABASE_URL")
    or env.optional("DATABASE_URL")
    or database_url(HOME, role=OWNER_ROLE),
)
if env.text("FINOPS_DB_ROLE", default="app") not in ("app", "owner"):
    raise SettingInvalid("FINOPS_DB_ROLE", "must be 'app' or 'owner'.")
DATABASES = {
    "default": {
        **(OWNER_DATABASE if env.optional("FINOPS_DB_ROLE") == "owner" else DATABASE),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
    }
}

BROKER_URL = parse_redis(
    "BROKER_URL",
    env.text("BROKER_URL", default=valkey_url(HOME, scheme="redis+socket", database=0)),
    schemes=("redis", "rediss", "redis+socket", "amqp", "amqps"),
)
CELERY_BROKER_URL = BROKER_URL
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": parse_redis(
            "CACHE_URL",
            env.text("CACHE_URL", default=valkey_url(HOME, scheme="unix", database=1)),
            schemes=("redis", "rediss", "unix"),
        ),
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
    }
}

RATE_LIMIT_URL = parse_redis(
    "RATE_LIMIT_URL",
    env.optional("RATE_LIMIT_URL") or CACHES["default"]["LOCATION"],
    schemes=("redis", "rediss", "unix"),
)

STORAGES = {
    "default": parse_storage(
        "STORAGE_URL", env.text("STORAGE_URL", default=HOME.documents.as_uri())
    ),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT = HOME.static
WHITENOISE_USE_FINDERS = True  # straight from the source tree: nothing to collect
WHITENOISE_AUTOREFRESH = DEBUG

globals().update(parse_email("EMAIL_URL", env.text("EMAIL_URL", default=HOME.mail.as_uri())))
