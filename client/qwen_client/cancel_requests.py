"""How a request is cancelled: by another one, to the same model, that names its id.

To cancel the RPC of a request that is just ending crashes Triton before 25.04 (server issues 7368 and 8034). A request
that is cancelled by id ends by itself, with a last event; its RPC is read out, and cancelled only where that is slow.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from tritonclient.grpc import service_pb2

from qwen_client.messages import infer_request, read_answer

READ_OUT_S = 1.0  # for a cancelled request to end by itself
ASK_AGAIN_S = 0.1  # one that was not found may still be on its way to the model
ANSWER_S = 5.0  # for the cancel request, which is answered at once
MARGIN_S = 0.5
MARGIN_SHARE = 0.1

# Requests to an ensemble are cancelled at its members, which get its id. Their required inputs, but for OPTIONS:
MEMBERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "spoken_image": {"qwen3_asr": ("AUDIO",), "qwen_image": ("PROMPT",)},
    "aligned_transcript": {"qwen3_asr": ("AUDIO",), "qwen3_aligner": ("AUDIO", "TEXT")},
}


def cancel_requests(request: service_pb2.ModelInferRequest) -> list[service_pb2.ModelInferRequest]:
    """The requests that cancel `request`; none for a step of a sequence, which is short, and whose order counts."""
    if "sequence_id" in request.parameters:
        return []
    inputs = tuple(one.name for one in request.inputs)
    options = json.dumps({"cancel": request.id}).encode()
    return [
        infer_request(model, {**dict.fromkeys(names, b""), "OPTIONS": options}, uuid.uuid4().hex)
        for model, names in MEMBERS.get(request.model_name, {request.model_name: inputs}).items()
    ]


def was_found(response: service_pb2.ModelStreamInferResponse) -> bool:
    """Whether a model that was asked to cancel a request knew it."""
    outputs = list(read_answer(response.infer_response, "").payloads.values())
    try:
        return bool(json.loads(outputs[-1])["found"])
    except (IndexError, ValueError, TypeError, KeyError):  # an error, or another protocol
        return False


def cancel_method(channel: Any) -> Any:
    """Sends a cancel request: every model, streaming or not, answers it on a stream with one response."""
    return channel.unary_unary(
        "/inference.GRPCInferenceService/ModelStreamInfer",
        request_serializer=service_pb2.ModelInferRequest.SerializeToString,
        response_deserializer=service_pb2.ModelStreamInferResponse.FromString,
    )


def server_timeout_s(deadline_s: float) -> float:
    """When the server is to end a request by itself, so that its RPC, with this deadline, need not be cancelled."""
    return deadline_s - min(MARGIN_S, MARGIN_SHARE * deadline_s)
