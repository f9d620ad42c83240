"""Names that GenAI attributes have had, version by version; the newest stand first.

Sources: OpenTelemetry semantic conventions for generative AI (all of it is in development, so
names come and go), OpenLLMetry's conventions, OpenInference. A name that is new is added here; a
token count under a name that is not here is kept as a meter of its own and shows up unpriced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VERSION: Final = "2026-11"

PREFIXES: Final = ("gen_ai.usage.", "llm.usage.", "llm.token_count.")
"""Where token counts stand."""

COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": (
        "gen_ai.usage.input_tokens",  # since semantic conventions 1.27
        "gen_ai.usage.prompt_tokens",  # until 1.26, and OpenLLMetry until 0.50
        "llm.usage.prompt_tokens",  # OpenLLMetry of 2023
        "llm.token_count.prompt",  # OpenInference
    ),
    "output": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
    ),
    "total": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        "llm.token_count.total",
    ),
    "cached": (
        "gen_ai.usage.cache_read.input_tokens",  # since 1.38
        "gen_ai.usage.cache_read_input_tokens",  # OpenLLMetry until 0.60
        "gen_ai.usage.details.cache_read_tokens",  # Pydantic AI
        "gen_ai.usage.details.cached_tokens",
        "llm.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "written": (
        "gen_ai.usage.cache_write.input_tokens",  # renamed after 1.42
        "gen_ai.usage.cache_creation.input_tokens",  # since 1.38
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "llm.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens",  # since 1.41
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    "input_audio": (
        "gen_ai.usage.audio.input_tokens",
        "llm.token_count.prompt_details.audio",
    ),
    "cached_audio": ("gen_ai.usage.cache_read.audio.input_tokens",),
    "output_audio": (
        "gen_ai.usage.audio.output_tokens",
        "llm.token_count.completion_details.audio",
    ),
    "input_image": ("gen_ai.usage.image.input_tokens",),
    "input_video": ("gen_ai.usage.video.input_tokens",),
    "output_image": ("gen_ai.usage.image.output_tokens",),
}

REPEATED: Final = frozenset(
    {
        "gen_ai.usage.text.input_tokens",
        "gen_ai.usage.text.output_tokens",
        "gen_ai.usage.details.accepted_prediction_tokens",
        "gen_ai.usage.details.rejected_prediction_tokens",
        "gen_ai.usage.details.input_tokens",
        "gen_ai.usage.details.output_tokens",
        "gen_ai.usage.details.text_tokens",
    }
)
"""Counts that repeat others or stand inside them."""

COSTS: Final = ("gen_ai.usage.cost", "gen_ai.usage.total_cost", "llm.cost.total")
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
MODEL: Final = (
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.response.model",
    "llm.model_name",
    "llm.request.model",
)
TIER: Final = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "gen_ai.response.service_tier",
)
RESPONSE: Final = "gen_ai.response.id"
OPERATION: Final = ("gen_ai.operation.name", "llm.request.type")
END_USER: Final = (
    "enduser.id",
    "user.id",
    "gen_ai.user",
    "llm.user",
    "traceloop.association.properties.user_id",
)
KIND: Final = ("traceloop.span.kind", "openinference.span.kind")

INFERENCE: Final[Mapping[str, str]] = {
    "chat": "chat",
    "text_completion": "completion",
    "completion": "completion",
    "generate_content": "chat",
    "responses": "chat",
    "embeddings": "embedding",
    "embedding": "embedding",
    "rerank": "rerank",
    "image_generation": "image",
    "generate_image": "image",
    "speech": "audio",
    "transcription": "audio",
}
"""Operations in which a model is used, by our names."""

INFERENCE_KINDS: Final = frozenset({"llm", "embedding", "reranker"})

PROVIDERS: Final[Mapping[str, str]] = {
    "az.ai.openai": "azure",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "bedrock",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "vertex_ai": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "xai",
}
"""Providers by the names that prices know."""
