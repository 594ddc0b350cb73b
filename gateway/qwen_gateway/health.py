"""Whether the gateway lives, and whether it can serve."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from qwen_gateway.context import ContextOf

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/health/ready")
async def ready(context: ContextOf) -> Any:
    """At least one server answers; the models that are served."""
    models = await context.upstream.ready()
    served = sorted(name for name, is_ready in models.items() if is_ready)
    return JSONResponse({"status": "ok" if served else "unavailable", "models": served}, 200 if served else 503)
