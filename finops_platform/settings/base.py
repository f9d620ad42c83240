"""What is the same everywhere: apps, middleware, security, formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apps.core.logging import logging_config
from finops_platform.env import Env, SettingInvalid

env = Env()
BASE_DIR = Path(__file__).resolve().parents[2]

DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
WSGI_APPLICATION = "finops_platform.wsgi.application"

# Tenancy -----------------------------------------------------------------------------------------

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
PUBLIC_SCHEMA_NAME = "public"
PUBLIC_SCHEMA_URLCONF = "finops_platform.urls_public"
ROOT_URLCONF = "finops_platform.urls_tenant"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_LIMIT_SET_CALLS = True  # one SET search_path per change of tenant instead of per query

SHARED_APPS = [
    "finops_platform",  # first: its create_tenant stands before the one of django-tenants
    "unfold",  # before django_tenants, whose admin templates need a tenant on every host
    "django_tenants",
    "apps.core",
    "apps.tenants",
    "apps.catalog",
    "apps.audit",
    "apps.accounts",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
]
TENANT_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "apps.core",
    "apps.audit",
    "apps.accounts",
    "apps.directory",
    "apps.periods",
    "apps.notifications",
    "apps.rating",
    "apps.documents",
    "apps.usage",
    "apps.costs",
    "apps.budgets",
    "apps.ingest",
    "apps.allocation",
    "apps.experiments",
    "apps.chargeback",
    "apps.closing",
    "apps.insights",
]
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]

# Requests ----------------------------------------------------------------------------------------

MIDDLEWARE = [
    "apps.core.middleware.RequestIdMiddleware",
    "finops_platform.health.HealthMiddleware",  # probes come by address, before any host is known
    "finops_platform.metrics.MetricsMiddleware",
    "finops_platform.security.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.core.middleware.NoNulMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.tenants.middleware.TenantMiddleware",
    "apps.accounts.middleware.KeyHostMiddleware",
    "apps.accounts.middleware.RateLimitMiddleware",
    "apps.ingest.middleware.EventsDoorMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.middleware.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "apps.core.web.middleware.ConsoleMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.core.web.shell.shell",
            ],
        },
    },
]

# What only higher apps know of the things around every page; see apps/core/web/shell.py.
UNFOLD = {"SITE_TITLE": "FinOps Platform", "SITE_HEADER": "FinOps Platform"}
CONSOLE_HOOKS = {
    "bell": "apps.notifications.web.inbox.bell",
    "granters": "apps.accounts.web.access.granters",
    "owners": "apps.insights.web.views.owner_names",
    "period": "apps.insights.web.views.period_badge",
}
CSRF_FAILURE_VIEW = "apps.core.web.errors.csrf_failure"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "finops_platform" / "static"]

# 16 MiB of decompressed events is the ingest door's own limit; forms stay far below this one.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o600

# People, sessions, browsers ----------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 2 * 60 * 60

# Sessions lie in the database of each schema and the cookie belongs to one host, so that a session
# of one tenant means nothing to another.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_DOMAIN = None
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_IDLE_SECONDS = 2 * 60 * 60
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
# unfold ships Alpine, which evaluates attribute expressions and sets inline styles.
ADMIN_PATHS = ("/admin/",)
ADMIN_POLICY = {
    "script-src": ["'self'", "'unsafe-eval'"],
    "style-src": ["'self'", "'unsafe-inline'"],
}

# API ---------------------------------------------------------------------------------------------

REST_FRAMEWORK: dict[str, Any] = {
    "EXCEPTION_HANDLER": "apps.core.api.errors.problem_handler",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.api.authentication.ApiKeyAuthentication",
        "apps.accounts.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.core.api.permissions.DenyByDefault"],
    "DEFAULT_PAGINATION_CLASS": "apps.core.api.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "apps.core.api.openapi.Described",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.api.parsing.StrictJsonParser"],
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
OPENAPI_DOCUMENT = BASE_DIR / "docs" / "openapi.yaml"
# What the bare host shows of the API without a key: it holds nothing of any tenant.
OPEN_API_PATHS = ("/api/v1/schema/", "/api/v1/docs/")
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "FinOps platform API",
    "DESCRIPTION": "Usage, costs, chargeback and billing of generative-AI spend.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ApprovalVerdict": ["approve", "reject", "request_changes"],
        "StatementState": ["draft", "sealed", "void"],
        "AllocationRunState": ["draft", "published", "superseded", "what_if"],
        "CloseRunState": "apps.closing.domain.steps.RunState",
        "RateKind": ["budget", "frozen"],
        "JournalState": ["ready", "posted", "reversed"],
        "JournalKind": ["charge", "reversal"],
        "RollupKind": ["parent", "product", "customer"],
        "ChannelKind": ["email", "webhook", "slack"],
        "DeliveryState": ["queued", "sent", "failed"],
        "AccountMappingKind": ["cost_center", "clearing"],
        "UsageFeed": ["request", "bucket"],
        "GuardrailDecisionKind": ["allow", "warn", "needs_approval", "deny"],
        "PolicyVerdict": ["warn", "needs_approval", "deny"],
        "AnswerVerdict": ["accepted", "disputed", "lapsed"],
        "CheckVerdict": ["passed", "attention", "blocked"],
        "BudgetWindowKind": ["month", "quarter", "year", "fixed", "rolling"],
    },
}

# How fast keys may call and send; the operator and owners set others for one tenant or one key.
# A process decides with what it last heard from RATE_LIMIT_URL, the cache unless it is set.
RATE_LIMITS = {
    owner: {
        "requests_per_second": env.number(f"RATE_LIMIT_{owner}_REQUESTS", default=calls, low=1),
        "events_per_second": env.number(f"RATE_LIMIT_{owner}_EVENTS", default=events, low=1),
    }
    for owner, calls, events in (("KEY", 10_000, 200_000), ("TENANT", 20_000, 400_000))
}
RATE_LIMIT_BURST_SECONDS = env.number("RATE_LIMIT_BURST_SECONDS", default=10, low=1, high=3600)
# While several tenants send at once, each has its fair share of a process: of its threads, and of
# INGEST_BATCHES large batches, which keep a processor busy. Whoever sends, no more than
# INGEST_IN_FLIGHT requests with events are in work in a process.
WEB_THREADS = env.number("WEB_THREADS", default=64, low=1, high=1024)
INGEST_BATCHES = env.number("INGEST_BATCHES", default=4, low=1, high=1024)
INGEST_IN_FLIGHT = env.number("INGEST_IN_FLIGHT", default=128, low=1, high=4096)
# So many batches are decoded and stored at once in a process; more take memory and save no time.
INGEST_LANES = env.number("INGEST_LANES", default=2, low=1, high=64)
# "ingest" is a process that only programs call, with events: it loads no pages and no admin.
WEB_ROLE = env.text("WEB_ROLE", default="all")
if WEB_ROLE not in ("all", "ingest"):
    raise SettingInvalid("WEB_ROLE", "must be 'all' or 'ingest'.")
if WEB_ROLE == "ingest":
    lean = {"django.contrib.admin": "django.contrib.admin.apps.SimpleAdminConfig"}
    INSTALLED_APPS = [lean.get(app, app) for app in INSTALLED_APPS]

# Work in the background --------------------------------------------------------------------------

# Queues, routes, limits and the beat table are in celery_worker; here is only what tests change.
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TASK_EAGER_PROPAGATES = True

# Mail, logs, metrics -----------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", default="finops@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Webhooks go to public addresses by https only, unless an operator runs their receivers inside.
WEBHOOKS_MAY_BE_PRIVATE = env.flag("WEBHOOKS_MAY_BE_PRIVATE", default=False)
LOG_LEVEL = env.text("LOG_LEVEL", default="INFO").upper()
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config(level=LOG_LEVEL, as_json=env.flag("LOG_JSON", default=True))
METRICS_TOKEN = env.optional("METRICS_TOKEN")
METRICS_FROM_LOOPBACK = False
