"""Talker and code predictor: every row of the batch gets one codec frame a step.

A frame is `num_groups` codes. The talker's last hidden state gives the first one (or the end); the code predictor, a
short decoder of its own, gives the others one after another; their embeddings together are the talker's next input.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import embedding, embedding_bag, linear, silu

from qwen_engine.decoder import AttentionContext, Decoder
from qwen_engine.graphs import to_device
from qwen_engine.sampling import RowSampler, Sampling
from qwen_engine.tts.config import NUM_RESERVED_TOKENS, TtsConfig
from qwen_engine.weights import Weights, WeightsBelow

MIN_FRAMES = 2  # no end before them: `min_new_tokens` of qwen-tts, core/models/modeling_qwen3_tts.py, `generate`


class TextEmbedding:
    """Embeddings of text tokens."""

    def __init__(self, weights: WeightsBelow) -> None:
        self.table = weights.take("model.text_embedding.weight")
        self._layers = [
            (weights.take(f"text_projection.linear_fc{n}.weight"), weights.take(f"text_projection.linear_fc{n}.bias"))
            for n in (1, 2)
        ]

    def __call__(self, ids: Sequence[int]) -> torch.Tensor:
        """(len(ids), hidden)."""
        chosen = embedding(torch.tensor(ids, dtype=torch.int64, device=self.table.device), self.table)
        first, second = self._layers
        return linear(silu(linear(chosen, *first)), *second)


class FrameEmbedding:
    """The sum of a frame's codes, each from the table of its group; the first table has the control tokens too."""

    def __init__(self, config: TtsConfig, weights: WeightsBelow) -> None:
        self.first = weights.take("model.codec_embedding.weight")
        names = [f"code_predictor.model.codec_embedding.{index}.weight" for index in range(config.num_groups - 1)]
        self.rest = [weights.take(name) for name in names]
        self._all = torch.cat((self.first, *self.rest))
        sizes = [0, len(self.first), *(len(table) for table in self.rest[:-1])]
        self._offsets = torch.tensor(sizes, device=self.first.device).cumsum(0)

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        """`codes` (frames, groups) -> (frames, hidden)."""
        return embedding_bag(codes + self._offsets, self._all, mode="sum")

    def control(self, ids: Sequence[int]) -> torch.Tensor:
        """(len(ids), hidden) of ids of the first table."""
        return embedding(torch.tensor(ids, dtype=torch.int64, device=self.first.device), self.first)


class _Predictor:
    """Codes 1 to groups - 1 of a frame. The projection of its inputs is folded into tables."""

    def __init__(self, config: TtsConfig, weights: WeightsBelow, frames: FrameEmbedding, num_slots: int) -> None:
        self._projection: tuple[torch.Tensor, torch.Tensor] | None = None
        if "small_to_mtp_projection.weight" in weights:
            self._projection = (
                weights.take("small_to_mtp_projection.weight"),
                weights.take("small_to_mtp_projection.bias"),
            )
        self._tables = [self._project(table) for table in (frames.first, *frames.rest[:-1])]
        self._heads = [weights.take(f"lm_head.{index}.weight") for index in range(config.num_groups - 1)]
        self._decoder = Decoder(
            config.predictor, weights.below("model."), num_slots=num_slots, length=config.num_groups
        )
        self.vocab_size = len(self._heads[0])
        self._contexts: dict[tuple[int, int, int], AttentionContext] = {}

    def _project(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden if self._projection is None else linear(hidden, *self._projection)

    def draw(self, hidden: torch.Tensor, codes: torch.Tensor, sampler: RowSampler, uniforms: torch.Tensor) -> None:
        """Fill codes[:, 1:] (rows, groups) from `hidden` (rows, hidden) and codes[:, 0]."""
        steps = torch.stack((self._project(hidden), self._tables[0][codes[:, 0]]), dim=1)
        start = 0
        for group, head in enumerate(self._heads, start=1):
            last = self._decoder.forward(steps, self._context(len(hidden), start, group + 1))[:, -1]
            codes[:, group] = sampler.draw(linear(last, head).float(), uniforms[:, group])
            if group < len(self._heads):
                steps = self._tables[group][codes[:, group]][:, None]
                start = group + 1

    def _context(self, num_rows: int, start: int, end: int) -> AttentionContext:
        """Cached: every frame has the same few positions."""
        key = (num_rows, start, end)
        if key not in self._contexts:
            self._contexts[key] = self._decoder.uniform(slice(0, num_rows), start, end)
        return self._contexts[key]


class Talker:
    """The talker for a continuous batch: the live rows are the first slots (see `RowTable`)."""

    def __init__(self, config: TtsConfig, weights: Weights, *, num_slots: int, length: int) -> None:
        below = weights.below("talker.")
        self.config = config
        self.text = TextEmbedding(below)
        self.frames = FrameEmbedding(config, below)
        self._head = below.take("codec_head.weight")
        self._decoder = Decoder(config.talker, below.below("model."), num_slots=num_slots, length=length)
        self._predictor = _Predictor(config, below.below("code_predictor."), self.frames, num_slots)
        self.device = self._head.device
        self.length = length
        self._hidden = self._head.new_zeros(num_slots, config.talker.hidden_size)
        self._codes = torch.zeros(num_slots, config.num_groups, dtype=torch.int64, device=self.device)
        self._seen = torch.zeros(num_slots, config.vocab_size, dtype=torch.bool, device=self.device)
        self._forbidden = torch.zeros(config.vocab_size, device=self.device)
        self._forbidden[-NUM_RESERVED_TOKENS:] = -torch.inf
        self._forbidden[config.control.eos] = 0.0

    def samplers(self, rows: Sequence[tuple[Sampling, Sampling]]) -> tuple[RowSampler, RowSampler]:
        """What `draw` needs of each row's sampling: for the first code, and for the others."""
        return (
            RowSampler([first for first, _ in rows], self.config.vocab_size, self.device),
            RowSampler([rest for _, rest in rows], self._predictor.vocab_size, self.device),
        )

    def prefill(self, prompts: Sequence[torch.Tensor], first_row: int) -> None:
        """Start rows `first_row`, … with `prompts`, each (positions, hidden)."""
        rows = slice(first_row, first_row + len(prompts))
        self._hidden[rows] = self._decoder.prefill(prompts, first_row)
        self._seen[rows] = False

    def advance(self, text: torch.Tensor, positions: Sequence[int]) -> None:
        """Feed every row its last frame with its next `text` (rows, hidden); its prompt and frames fill `positions`."""
        num_rows = len(positions)
        hidden = self.frames(self._codes[:num_rows]) + text
        at = to_device(torch.tensor(positions), self.device)
        self._hidden[:num_rows] = self._decoder.step(hidden[:, None], at, max(positions) + 1)[:, 0]

    def draw(
        self, samplers: tuple[RowSampler, RowSampler], uniforms: torch.Tensor, fresh: torch.Tensor
    ) -> torch.Tensor:
        """The next frame of every row: (rows, groups), where a first code of `control.eos` is the end.

        uniforms (rows, groups); fresh (rows,) is True where the end is not allowed yet.
        """
        first, rest = samplers
        num_rows = len(uniforms)
        hidden, seen = self._hidden[:num_rows], self._seen[:num_rows]
        logits = first.penalise(linear(hidden, self._head).float(), seen) + self._forbidden
        eos = self.config.control.eos
        logits[:, eos] = logits[:, eos].masked_fill(fresh, -torch.inf)
        codes = torch.empty(num_rows, self.config.num_groups, dtype=torch.int64, device=self.device)
        codes[:, 0] = first.draw(logits, uniforms[:, 0])
        self._predictor.draw(hidden, codes, rest, uniforms)
        seen.scatter_(1, codes[:, :1], True)
        self._codes[:num_rows] = codes
        return codes

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the row `source`, `length` positions long, over `target`."""
        self._decoder.cache.move(source, target, length)
        for tensor in (self._hidden, self._codes, self._seen):
            tensor[target] = tensor[source]
