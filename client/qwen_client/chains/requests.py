"""The requests of named chains."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.chains.events import read_stage
from qwen_client.chains.results import Made, MadeT, collecting
from qwen_client.jobs import StreamJob
from qwen_client.messages import Inputs, options_json
from qwen_client.pictures import PictureInput, picture_bytes
from qwen_client.texts import text_bytes
from qwen_wire.chains import StageEvent
from qwen_wire.options import ChainOptions

ChainJob: TypeAlias = StreamJob[StageEvent, MadeT]


def chain_job(
    name: str, tensors: Inputs, make: Callable[[Made], MadeT], *, deadline_s: float | None, **inputs: Any
) -> "ChainJob[MadeT]":
    """A request to the chain `name`; of its other `inputs`, those that are None are left to the server."""
    given = {key: value for key, value in inputs.items() if value is not None}
    options = options_json(ChainOptions, inputs=given or None, deadline_s=deadline_s)
    return StreamJob(name, {**tensors, "OPTIONS": options}, read_stage, collecting(make))


def stages(
    name: str,
    *,
    text: str | None = None,
    audio: Sequence[AudioInput] = (),
    image: PictureInput | None = None,
    deadline_s: float | None = None,
    **inputs: Any,
) -> "ChainJob[tuple[StageEvent, ...]]":
    """The events of any chain, by its name, as they come: for those that this package has no method for, too.

        with client.chains.stages("storyboard", text="a red circle and a green star") as events:
            for event in events:
                print(event.stage, event.time_s)

    `inputs`: what the chain takes besides text, recordings and a picture; see docs/chains.md.
    """
    tensors: dict[str, bytes | tuple[bytes, ...]] = {}
    if text is not None:
        tensors["TEXT"] = text_bytes(text, "text")
    if audio:
        tensors["AUDIO"] = tuple(audio_bytes(one) for one in audio)
    if image is not None:
        tensors["IMAGE"] = picture_bytes(image)
    given = {key: value for key, value in inputs.items() if value is not None}
    options = options_json(ChainOptions, inputs=given or None, deadline_s=deadline_s)
    return StreamJob(name, {**tensors, "OPTIONS": options}, read_stage, lambda events, _: tuple(events))
