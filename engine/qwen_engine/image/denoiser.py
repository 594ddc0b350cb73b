"""The transformer's forwards: rows of one shape at different steps, each with its own prompt."""

from collections.abc import Sequence

import torch

from qwen_engine.image.attention import JointAttention
from qwen_engine.image.canvas import Canvas
from qwen_engine.image.checkpoint import ImageCheckpoint


class Denoiser:
    """Predicts velocities with the transformer of a checkpoint.

    Guidance needs a row with the prompt and a row with the negative prompt. Together in one forward they take less time
    than in two; a canvas that is alone has two all the same, which are the pipelines' to the last bit.
    """

    def __init__(self, checkpoint: ImageCheckpoint) -> None:
        self._transformer = checkpoint.transformer
        self._transformer.set_attn_processor(JointAttention())

    def __call__(self, canvases: Sequence[Canvas]) -> list[torch.Tensor]:
        """A velocity (1, tokens, channels) for each canvas; all are of the same shapes."""
        rows = [(canvas, canvas.prompt) for canvas in canvases]
        negative = [(canvas, canvas.negative) for canvas in canvases if canvas.negative is not None]
        if len(canvases) == 1:
            velocities = [*self._forward(rows), *(self._forward(negative) if negative else ())]
        else:
            velocities = self._forward([*rows, *negative])
        away_from = iter(velocities[len(rows) :])
        return [
            velocity if canvas.negative is None else _guide(velocity, next(away_from), canvas.true_cfg_scale)
            for canvas, velocity in zip(canvases, velocities[: len(rows)], strict=True)
        ]

    def _forward(self, rows: Sequence[tuple[Canvas, torch.Tensor]]) -> list[torch.Tensor]:
        tokens = torch.cat([canvas.tokens for canvas, _ in rows])
        timesteps = torch.stack([canvas.timestep for canvas, _ in rows]).to(tokens.dtype)
        embeddings, mask = _padded([prompt for _, prompt in rows])
        velocities = self._transformer(
            hidden_states=tokens,
            timestep=timesteps / 1000,
            encoder_hidden_states=embeddings,
            encoder_hidden_states_mask=mask,
            img_shapes=[list(canvas.key.shapes) for canvas, _ in rows],
            return_dict=False,
        )[0]
        num_tokens = rows[0][0].latents.shape[1]  # without the references
        return [velocity[None, :num_tokens] for velocity in velocities]


def _padded(prompts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(rows, tokens, hidden), and a mask (rows, tokens) where some are shorter than others."""
    lengths = [prompt.shape[1] for prompt in prompts]
    if min(lengths) == max(lengths):
        return torch.cat(list(prompts)), None
    embeddings = prompts[0].new_zeros(len(prompts), max(lengths), prompts[0].shape[2])
    mask = torch.zeros(embeddings.shape[:2], dtype=torch.bool, device=embeddings.device)
    for row, (prompt, length) in enumerate(zip(prompts, lengths, strict=True)):
        embeddings[row, :length] = prompt[0]
        mask[row, :length] = True
    return embeddings, mask


def _guide(velocity: torch.Tensor, negative: torch.Tensor, scale: float) -> torch.Tensor:
    """Away from the negative prompt by `scale`, with the length that each token's velocity had, as the pipelines do."""
    guided = negative + scale * (velocity - negative)
    lengths = torch.norm(velocity, dim=-1, keepdim=True)
    return guided * (lengths / torch.norm(guided, dim=-1, keepdim=True))
