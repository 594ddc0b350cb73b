"""Our training inputs equal what the official generate feeds the talker: python -m demo.training.check_layouts

Custom voice, clone (by voice alone and in context) and design; text first and text alongside; with and without a
language. Needs the three checkpoints; how well they are trained does not matter.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from demo.training.talker_inputs import CONFIG, VOICE, Example, Speech, embed, head_ids, lay_out, make_batch
from demo.training.tts_config import (
    BASE_FOLDER,
    CODEBOOK_SIZE,
    DESIGN_FOLDER,
    FOLDER,
    NUM_GROUPS,
    Qwen3TTSModel,
    VoiceClonePromptItem,
)
from demo.training.utterances import ASSISTANT, instruction_ids, token_ids
from demo.training.voice_space import DIMENSION

TEXT, REFERENCE_TEXT, INSTRUCTION = "Hello Ben.", "Good morning Anna.", "A high voice, speaking fast."
LANGUAGE_CHOICES = ("english", None)
NUM_REFERENCE_FRAMES = (2, 9)  # fewer and more than the text has tokens
NUM_GENERATED = 8
GREEDY = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": NUM_GENERATED + 1}


def fed_and_said(
    model: Qwen3TTSModel, generate: Callable[..., object], **request: object
) -> tuple[torch.Tensor, np.ndarray]:
    """inputs_embeds of all positions, and the generated codes among them (frames, groups)."""
    fed: list[torch.Tensor] = []
    said: list[np.ndarray] = []
    talker = model.model.talker
    hooks = [
        talker.model.register_forward_pre_hook(
            lambda _module, _args, kwargs: fed.append(kwargs["inputs_embeds"]), with_kwargs=True
        ),
        talker.register_forward_hook(lambda _module, _args, output: said.append(output.hidden_states[1])),
    ]
    generate(**request, **GREEDY)
    for hook in hooks:
        hook.remove()
    frames = [codes.numpy() for codes in said if codes is not None]
    return torch.cat(fed, 1), np.concatenate(frames)


def compare(model: Qwen3TTSModel, example: Example, fed: torch.Tensor) -> None:
    """`example.voice`, where there is one, is the embedding itself."""
    placed = nn.Linear(DIMENSION, fed.shape[-1])
    if example.voice is not None:
        nn.init.zeros_(placed.weight)
        placed.bias.data.copy_(torch.from_numpy(example.voice))
        example.voice = np.zeros(DIMENSION, dtype=np.float32)
    torch.testing.assert_close(embed(model.model, placed, make_batch([example])), fed)


def speech(text: str, codes: np.ndarray) -> Speech:
    return Speech(token_ids(text), codes, np.zeros(len(codes), dtype=np.int64))


@torch.no_grad()
def main() -> None:
    torch.manual_seed(0)
    role = token_ids(ASSISTANT)
    custom, base, design = (
        Qwen3TTSModel.from_pretrained(str(folder), dtype=torch.float32)
        for folder in (FOLDER, BASE_FOLDER, DESIGN_FOLDER)
    )
    for streaming in (False, True):
        for language in LANGUAGE_CHOICES:
            common = {"text": TEXT, "language": language, "non_streaming_mode": not streaming}
            fed, said = fed_and_said(custom, custom.generate_custom_voice, speaker="ava", **common)
            head = head_ids(language, CONFIG["spk_id"]["ava"])
            compare(custom, lay_out(speech(TEXT, said), head, role=role, streaming=streaming), fed)
            fed, said = fed_and_said(design, design.generate_voice_design, instruct=INSTRUCTION, **common)
            told = instruction_ids(INSTRUCTION) + role
            compare(design, lay_out(speech(TEXT, said), head_ids(language, None), role=told, streaming=streaming), fed)
            for num_frames in (0, *NUM_REFERENCE_FRAMES):
                voice = torch.randn(fed.shape[-1])
                reference = torch.randint(CODEBOOK_SIZE, (num_frames, NUM_GROUPS))
                in_context = num_frames > 0
                prompt = VoiceClonePromptItem(
                    ref_code=reference if in_context else None,
                    ref_spk_embedding=voice,
                    x_vector_only_mode=not in_context,
                    icl_mode=in_context,
                    ref_text=REFERENCE_TEXT if in_context else None,
                )
                fed, said = fed_and_said(base, base.generate_voice_clone, voice_clone_prompt=[prompt], **common)
                whole = speech(TEXT, said)
                if in_context:
                    whole = whole.after(speech(REFERENCE_TEXT, reference.numpy()))
                head = head_ids(language, VOICE)
                compare(base, lay_out(whole, head, role=role, streaming=streaming, voice=voice.numpy()), fed)
    print("the training inputs are what upstream feeds")


if __name__ == "__main__":
    main()
