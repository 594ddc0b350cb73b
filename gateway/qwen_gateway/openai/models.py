"""/v1/models."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter

from qwen_gateway.context import Context, ContextOf
from qwen_gateway.errors import GatewayError

router = APIRouter(prefix="/v1/models", tags=["OpenAI: models"])

CREATED_S = 1_764_547_200  # 2025-12-01: clients want a time
OWNER = "qwen"


@router.get("")
async def models(context: ContextOf) -> dict[str, Any]:
    """What is served, under our names and under those of OpenAI."""
    return {"object": "list", "data": [_model(name) for name in await _served(context)]}


@router.get("/{name}")
async def model(name: str, context: ContextOf) -> dict[str, Any]:
    """One of them."""
    if name not in await _served(context):
        raise GatewayError(
            HTTPStatus.NOT_FOUND, f"model {name[:80]!r} is not served here", code="model_not_found", param="model"
        )
    return _model(name)


async def _served(context: Context) -> list[str]:
    ready = await context.upstream.ready()
    own = [name for name, is_ready in ready.items() if is_ready]
    return own + [name for name, stands_for in context.settings.aliases.models.items() if ready.get(stands_for)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED_S, "owned_by": OWNER}
