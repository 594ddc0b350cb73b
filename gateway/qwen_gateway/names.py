"""Names of models in requests: ours, or those of other platforms that stand for ours."""

from http import HTTPStatus

from qwen_gateway.context import Context
from qwen_gateway.errors import GatewayError


def require_model(context: Context, name: str, *wanted: str) -> None:
    """Raises `GatewayError` (404) where `name` stands for none of the `wanted` models."""
    if context.settings.aliases.model(name) not in wanted:
        raise GatewayError(
            HTTPStatus.NOT_FOUND,
            f"model {name[:80]!r} does not do this; known here: {', '.join(wanted)} and the names in /v1/models",
            code="model_not_found",
            param="model",
        )
