"""A Qwen3-VL checkpoint folder, loaded by transformers' class: eyes, vision tower, language model, tokenizer."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import DynamicCache, Qwen3VLForConditionalGeneration

from qwen_engine.sampling import RowSampler, Sampling
from qwen_engine.settings import VisionSettings
from qwen_engine.vision.picture_processor import PictureProcessor, View
from qwen_engine.vision.prompt import Prompts
from qwen_engine.vision.rows import RowCache


class VisionCheckpoint:
    """One checkpoint on its device.

    Example:
        view = checkpoint.eyes.look(picture)
        ids = checkpoint.prompts.ids("Where is it?", view.num_tokens)
        logits, read, next_position = checkpoint.read([view], [ids])
    """

    def __init__(self, settings: VisionSettings) -> None:
        folder = Path(settings.checkpoint)
        self.processor = PictureProcessor(folder, settings.seen_pixels)
        self.prompts = Prompts(folder)
        dtype = getattr(torch, settings.dtype)
        self._model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=dtype).to(settings.device).eval()
        ends = self._model.generation_config.eos_token_id
        self.end_ids = frozenset(ends if isinstance(ends, list) else [ends])

    @property
    def device(self) -> torch.device:
        return self._model.device

    @property
    def max_positions(self) -> int:
        """What the language model was made for."""
        return int(self._model.config.text_config.max_position_embeddings)

    def sampler(self, rows: Sequence[Sampling]) -> RowSampler:
        """What draws each row's tokens from its logits."""
        return RowSampler(rows, self._model.config.text_config.vocab_size, self.device)

    @torch.inference_mode()
    def read(self, views: Sequence[View], ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, DynamicCache, int]:
        """Prompts of the same length with pictures of the same grid, a row each.

        Returns logits (rows, tokens) of each row's first token, what was read, and the position that follows it.
        """
        prompts = torch.tensor(ids, device=self.device)
        grid = torch.tensor([view.grid for view in views], device=self.device)
        is_picture = (prompts[:1] == self.prompts.picture).int()
        positions, delta = self._model.model.get_rope_index(prompts[:1], is_picture, grid[:1])
        cache = DynamicCache(config=self._model.config)
        told = self._model(
            input_ids=prompts,
            pixel_values=torch.cat([view.patches for view in views]).to(self.device),
            image_grid_thw=grid,
            position_ids=positions.expand(3, len(prompts), -1),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return told.logits[:, -1].float(), cache, prompts.shape[1] + int(delta)

    @torch.inference_mode()
    def go_on(self, rows: RowCache, tokens: Sequence[int]) -> torch.Tensor:
        """Have every row read one more token; logits (rows, tokens) of the next one."""
        mask, positions = rows.advance()
        told = self._model(
            input_ids=torch.tensor(tokens, device=self.device)[:, None],
            attention_mask=mask,
            position_ids=positions,
            past_key_values=rows.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = told.logits[:, -1].float()
        return logits
