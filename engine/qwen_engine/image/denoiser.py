"""The transformer's forwards: rows at different steps and with different prompts, mostly of one shape."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from qwen_engine.image.attention import JointAttention, PaddedBatch
from qwen_engine.image.checkpoint import ImageCheckpoint
from qwen_engine.image.denoising_state import DenoisingState

Row = tuple[DenoisingState, torch.Tensor]  # with the prompt, or the negative one


class Denoiser:
    """Predicts velocities with the transformer of a checkpoint.

    Guidance needs a row with the prompt and a row with the negative prompt. One forward for both takes less time
    than two; a state alone has two all the same, which equal the pipelines' to the last bit.
    """

    def __init__(self, checkpoint: ImageCheckpoint) -> None:
        self._transformer = checkpoint.transformer
        self._transformer.set_attn_processor(JointAttention())
        self._padded: tuple[object, PaddedBatch | None] = (None, None)  # the same rows share many steps

    def __call__(self, states: Sequence[DenoisingState]) -> list[torch.Tensor]:
        """A velocity (1, tokens, channels) for each state; all have one key, or one padding key."""
        rows = [(state, state.prompt) for state in states]
        negative = [(state, state.negative) for state in states if state.negative is not None]
        if len(states) == 1:
            velocities = [*self._forward(rows), *(self._forward(negative) if negative else ())]
        else:
            velocities = self._forward([*rows, *negative])
            for state in states:
                state.alone = False
        negatives = iter(velocities[len(rows) :])
        return [
            velocity if state.negative is None else _guide(velocity, next(negatives), state.true_cfg_scale)
            for state, velocity in zip(states, velocities[: len(rows)], strict=True)
        ]

    def _forward(self, rows: Sequence[Row]) -> list[torch.Tensor]:
        states = [state for state, _ in rows]
        timesteps = torch.stack([state.timestep for state in states])
        tokens = pad_sequence([state.tokens[0] for state in states], batch_first=True)
        prompts = [prompt[0] for _, prompt in rows]
        mixes = len({state.key for state in states}) > 1
        velocities = self._transformer(
            hidden_states=tokens,
            timestep=timesteps.to(tokens.dtype) / 1000,
            encoder_hidden_states=pad_sequence(prompts, batch_first=True),
            encoder_hidden_states_mask=None if mixes else _mask(prompts),
            img_shapes=[list(states[0].key.shapes)] * len(rows),
            attention_kwargs={"padded": self._mixed(rows)} if mixes else None,
            return_dict=False,
        )[0]
        # Without padding and references.
        return [velocity[None, : state.latents.shape[1]] for velocity, state in zip(velocities, states, strict=True)]

    def _mixed(self, rows: Sequence[Row]) -> PaddedBatch:
        kind = [(state.key.shapes, prompt.shape[1]) for state, prompt in rows]
        if self._padded[0] != kind:
            self._padded = (kind, self._new_padded(rows))
        padded = self._padded[1]
        assert padded is not None
        return padded

    def _new_padded(self, rows: Sequence[Row]) -> PaddedBatch:
        device = rows[0][1].device
        text_length = max(prompt.shape[1] for _, prompt in rows)
        positions = torch.arange(text_length, device=device)
        rotary, known = [], []
        for state, prompt in rows:
            picture, text = self._transformer.pos_embed([list(state.key.shapes)], device, text_length)
            rotary.append(torch.cat([text, picture]))
            known.append(torch.cat([positions < prompt.shape[1], positions.new_ones(len(picture), dtype=torch.bool)]))
        return PaddedBatch(
            mask=pad_sequence(known, batch_first=True)[:, None, None, :],
            rotary=pad_sequence(rotary, batch_first=True).unsqueeze(2),
        )


def _mask(prompts: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """(rows, tokens) False where a prompt is padded; None where they are equally long."""
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=prompts[0].device)
    longest = max(map(len, prompts))
    if min(map(len, prompts)) == longest:
        return None
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def _guide(velocity: torch.Tensor, negative: torch.Tensor, scale: float) -> torch.Tensor:
    """True classifier-free guidance by `scale`, normalised to each token's length, as in the pipelines."""
    guided = negative + scale * (velocity - negative)
    lengths = torch.norm(velocity, dim=-1, keepdim=True)
    return guided * (lengths / torch.norm(guided, dim=-1, keepdim=True))
