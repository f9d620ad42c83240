"""LiteLLM itself with its logging callback, unmodified, against the running platform."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from apps.core.domain.access import Scope
from apps.usage.models import Event, EventKey, RawUsage, Rollup, TagSet
from tests.accounts.people import service_key

pytestmark = [pytest.mark.live, pytest.mark.slow]

PROGRAM = """
import asyncio, sys
import litellm
from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger

async def main():
    logger = GenericAPILogger(
        endpoint=sys.argv[1],
        headers={"Authorization": "Bearer " + sys.argv[2]},
        log_format=sys.argv[3],
    )
    litellm.callbacks = [logger]
    messages = [{"role": "user", "content": "hi"}]
    await litellm.acompletion(
        model="gpt-4o", messages=messages, mock_response="hello", user="u1",
        metadata={"tags": ["team:search", "feature:summarize"]},
    )
    stream = await litellm.acompletion(
        model="gpt-4o", messages=messages, mock_response="hello", stream=True
    )
    async for _ in stream:
        pass
    try:
        await litellm.acompletion(
            model="gpt-4o", messages=messages, mock_response=Exception("boom")
        )
    except Exception:
        pass
    await asyncio.sleep(1)
    sent = list(logger.log_queue)
    await logger.async_send_batch()
    logger.log_queue = sent
    await logger.async_send_batch()

asyncio.run(main())
"""


@pytest.mark.parametrize("form", ["json_array", "ndjson", "single"])
def test_the_callback(living_tenant: Any, web_port: int, form: str) -> None:
    key = service_key(Scope.USAGE_WRITE)
    endpoint = f"http://127.0.0.1:{web_port}/api/v1/ingest/litellm"
    subprocess.run(
        [sys.executable, "-c", PROGRAM, endpoint, key.text, form],
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        check=True,
        capture_output=True,
        timeout=180,
    )
    assert EventKey.objects.count() == Event.objects.count() == 3
    by_status = {row.status: row for row in Event.objects.order_by("-reported_amount")}
    assert set(by_status) == {"ok", "error"}
    sums: dict[str, Decimal] = {}
    for row in Rollup.objects.all():
        sums[row.meter] = sums.get(row.meter, Decimal(0)) + row.quantity
    raw = [row.raw for row in RawUsage.objects.all()]
    assert sums["requests"] == 3
    assert sums["input_tokens"] == sum(one["prompt_tokens"] for one in raw) > 0
    assert sums["output_tokens"] == sum(one["completion_tokens"] for one in raw) > 0
    tags = [row.tags for row in TagSet.objects.all()]
    assert {"team": "search", "feature": "summarize"} in tags
