"""OpenTelemetry's SDK and exporter with both OpenAI instrumentations, unmodified, live."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from apps.core.domain.access import Scope
from apps.usage.models import Event, Rollup, SentSku, TagSet
from tests.accounts.people import service_key
from tests.ingest.clients.mock_openai import serving

pytestmark = [pytest.mark.live, pytest.mark.slow]

PROGRAM = """
import sys
import openai
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

platform, key, model_api, tools = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": "assistant", "team": "search"}))
exporter = OTLPSpanExporter(
    endpoint=platform + "/v1/traces",
    headers={"Authorization": "Bearer " + key},
    compression=Compression.Gzip,
)
provider.add_span_processor(BatchSpanProcessor(exporter))
if "semconv" in tools:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    OpenAIInstrumentor().instrument(tracer_provider=provider)
if "openllmetry" in tools:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai.OpenAI(base_url=model_api, api_key="x", max_retries=0)
ask = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
with provider.get_tracer("app").start_as_current_span("handle request"):
    client.chat.completions.create(**ask)
for _ in client.chat.completions.create(
    **ask, stream=True, stream_options={"include_usage": True}
):
    pass
client.embeddings.create(model="text-embedding-3-small", input="x")
try:
    client.chat.completions.create(**(ask | {"model": "broken"}))
except openai.InternalServerError:
    pass
provider.shutdown()
"""


@pytest.mark.parametrize("tools", ["semconv", "openllmetry", "semconv+openllmetry"])
def test_instrumented_calls(living_tenant: Any, web_port: int, tools: str) -> None:
    key = service_key(Scope.USAGE_WRITE)
    with serving() as model_api:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                PROGRAM,
                f"http://127.0.0.1:{web_port}",
                key.text,
                model_api,
                tools,
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert "Failed to export" not in done.stderr
    assert "partial success" not in done.stderr.lower()
    statuses = sorted(Event.objects.values_list("status", flat=True))
    assert statuses == ["error", "ok", "ok", "ok"]
    sums: dict[str, int] = {}
    for row in Rollup.objects.all():
        sums[row.meter] = sums.get(row.meter, 0) + int(row.quantity)
    assert sums["requests"] == 4
    assert sums["output_tokens"] == 600
    assert sums["input_tokens"] + sums.get("cached_input_tokens", 0) == 2 * 2006 + 8
    if tools == "openllmetry":
        assert sums["cached_input_tokens"] == 2 * 1920
    models = set(SentSku.objects.values_list("provider", "model"))
    assert ("openai", "gpt-4o-2024-08-06") in models
    assert {row.tags["team"] for row in TagSet.objects.all()} == {"search"}
    assert set(Event.objects.values_list("source", flat=True)) == {"assistant"}
