"""Real services and TLS in front; refuses to start on anything that is only fit for a laptop."""

from __future__ import annotations

import re

from finops_platform.embedded.home import Home
from finops_platform.env import (
    SettingInvalid,
    parse_database,
    parse_email,
    parse_redis,
    parse_storage,
)
from finops_platform.settings.base import *  # noqa: F403
from finops_platform.settings.base import env

EMBEDDED = False
HOME = Home.from_environment()
if env.flag("DEBUG", default=False) or env.flag("FINOPS_DEBUG", default=False):
    raise SettingInvalid("DEBUG", "must be off in production: its pages show settings and code.")

SECRET_KEY = env.text("SECRET_KEY")
if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 12 or SECRET_KEY.startswith("django-insecure"):
    raise SettingInvalid(
        "SECRET_KEY",
        "is a default or too simple; use 50 random characters: openssl rand -base64 48",
    )

# The operator's hosts (and the API host for keys) by name; tenants are subdomains of one domain.
OPERATOR_HOSTS = env.words("OPERATOR_HOSTS")
TENANT_BASE_DOMAIN = env.text("TENANT_BASE_DOMAIN").lower().strip(".")
ALLOWED_HOSTS = [*OPERATOR_HOSTS, f".{TENANT_BASE_DOMAIN}", *env.words("ALLOWED_HOSTS")]
for host in ALLOWED_HOSTS:
    if not re.fullmatch(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\]", host):
        raise SettingInvalid(
            "ALLOWED_HOSTS", f"'{host}' is open to any host or no host name; list names one by one."
        )
if not OPERATOR_HOSTS:
    raise SettingInvalid("OPERATOR_HOSTS", "is required here, for example finops.example.com.")
PUBLIC_URL = env.text("PUBLIC_URL", default=f"https://{OPERATOR_HOSTS[0]}").rstrip("/")

DATABASE = parse_database("DATABASE_URL", env.text("DATABASE_URL"))
_owner_url = env.optional("OWNER_DATABASE_URL")
# Only the processes that migrate and provision are given the owner's password.
OWNER_DATABASE = parse_database("OWNER_DATABASE_URL", _owner_url) if _owner_url else None
if OWNER_DATABASE and OWNER_DATABASE["USER"] == DATABASE["USER"]:
    raise SettingInvalid(
        "OWNER_DATABASE_URL",
        "has the same user as DATABASE_URL; the application must not own its tables.",
    )
_acts_as_owner = env.optional("FINOPS_DB_ROLE") == "owner"
if _acts_as_owner and OWNER_DATABASE is None:
    raise SettingInvalid("OWNER_DATABASE_URL", "is required to migrate or provision.")
DATABASES = {
    "default": {
        **(OWNER_DATABASE if _acts_as_owner and OWNER_DATABASE else DATABASE),
        "CONN_MAX_AGE": env.number("CONN_MAX_AGE", default=600),
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
    }
}

BROKER_URL = parse_redis(
    "BROKER_URL",
    env.text("BROKER_URL"),
    schemes=("redis", "rediss", "redis+socket", "amqp", "amqps"),
)
CELERY_BROKER_URL = BROKER_URL
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": parse_redis(
            "CACHE_URL", env.text("CACHE_URL"), schemes=("redis", "rediss", "unix")
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
    "default": parse_storage("STORAGE_URL", env.text("STORAGE_URL")),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
STATIC_ROOT = env.text("STATIC_ROOT", default=str(HOME.root / "staticfiles"))
globals().update(parse_email("EMAIL_URL", env.text("EMAIL_URL")))

SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
if env.flag("BEHIND_PROXY", default=False):
    # Only with a proxy that always sets this header: otherwise a client could claim TLS itself.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
