"""A Qwen3-VL checkpoint folder, loaded by transformers' class, with picture processor and tokenizer."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import DynamicCache, Qwen3VLForConditionalGeneration

from qwen_engine.sampling import RowSampler, Sampling
from qwen_engine.vision.picture_processor import PicturePatches, PictureProcessor
from qwen_engine.vision.prompt import VisionPrompts
from qwen_engine.vision.rows import RowCache
from qwen_engine.vision.settings import VisionSettings


class VisionCheckpoint:
    """One checkpoint on its device.

    Example:
        view = checkpoint.processor.process(picture)
        ids = checkpoint.prompts.ids([("user", [view.num_tokens, "Where is it?"])])
        logits, cache, next_position = checkpoint.prefill([[view]], [ids])
    """

    def __init__(self, settings: VisionSettings) -> None:
        folder = Path(settings.checkpoint)
        self.processor = PictureProcessor(folder, settings.seen_pixels)
        self.prompts = VisionPrompts(folder)
        dtype = getattr(torch, settings.dtype)
        self._model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=dtype).to(settings.device).eval()
        ends = self._model.generation_config.eos_token_id
        self.end_ids = frozenset(ends if isinstance(ends, list) else [ends])

    @property
    def device(self) -> torch.device:
        return self._model.device

    @property
    def max_positions(self) -> int:
        """The longest sequence of the language model."""
        return int(self._model.config.text_config.max_position_embeddings)

    def sampler(self, rows: Sequence[Sampling]) -> RowSampler:
        """The sampler of the rows."""
        return RowSampler(rows, self._model.config.text_config.vocab_size, self.device)

    @torch.inference_mode()
    def prefill(
        self, views: Sequence[Sequence[PicturePatches]], ids: Sequence[Sequence[int]]
    ) -> tuple[torch.Tensor, DynamicCache, int]:
        """Prompts of the same length with pictures of the same grids at the same positions, a row each.

        Returns logits (rows, tokens) of each row's first token, the cache, and the next position.
        """
        prompts = torch.tensor(ids, device=self.device)
        grid = torch.tensor([view.grid for row in views for view in row], device=self.device)
        is_picture = (prompts[:1] == self.prompts.picture).int()
        positions, delta = self._model.model.get_rope_index(prompts[:1], is_picture, grid[: len(views[0])])
        cache = DynamicCache(config=self._model.config)
        output = self._model(
            input_ids=prompts,
            pixel_values=torch.cat([view.patches for row in views for view in row]).to(self.device),
            image_grid_thw=grid,
            position_ids=positions.expand(3, len(prompts), -1),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1].float(), cache, prompts.shape[1] + int(delta)

    @torch.inference_mode()
    def step(self, rows: RowCache, tokens: Sequence[int]) -> torch.Tensor:
        """One token step of every row: logits (rows, tokens) of the next one."""
        mask, positions = rows.advance()
        output = self._model(
            input_ids=torch.tensor(tokens, device=self.device)[:, None],
            attention_mask=mask,
            position_ids=positions,
            past_key_values=rows.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits
