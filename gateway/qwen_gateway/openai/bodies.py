"""What the bodies of OpenAI's API have in common."""

from pydantic import ConfigDict

from qwen_gateway.body import Body


class OpenAIBody(Body):
    """Clients send fields that are newer than this gateway: they are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)
