"""Each row draws by its own settings and its own random number."""

import numpy as np
import pytest
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from qwen_engine.sampling import RowSampler, Sampling, Uniforms

NUM_TOKENS = 40
CPU = torch.device("cpu")
SETTINGS = [
    Sampling(temperature=0.9, top_k=50),
    Sampling(temperature=0.7, top_k=5),
    Sampling(temperature=1.3, top_k=0, top_p=0.8),
    Sampling(temperature=1.0, top_k=12, top_p=0.5, repetition_penalty=1.3),
    Sampling(temperature=0.0, repetition_penalty=1.5),
]


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(len(SETTINGS), NUM_TOKENS, generator=torch.Generator().manual_seed(3)) * 2


def expected_shares(row: Sampling, logits: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """What transformers would draw from."""
    processors = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(row.repetition_penalty)])
    if row.temperature:
        processors.append(TemperatureLogitsWarper(row.temperature))
        processors += [TopKLogitsWarper(row.top_k)] if row.top_k else []
        processors += [TopPLogitsWarper(row.top_p)] if row.top_p < 1 else []
    scores = processors(seen.nonzero().T, logits[None])[0]
    return scores.softmax(0) if row.temperature else torch.nn.functional.one_hot(scores.argmax(), NUM_TOKENS).float()


def test_a_grid_of_uniforms_gives_the_shares_of_transformers(logits):
    seen = torch.zeros(len(SETTINGS), NUM_TOKENS, dtype=torch.bool)
    seen[:, [1, 7, 20]] = True
    seen[range(len(SETTINGS)), logits.argmax(-1)] = True
    penalised = RowSampler(SETTINGS, NUM_TOKENS, CPU).penalise(logits, seen)
    grid = (torch.arange(4000) + 0.5) / 4000
    sampler = RowSampler(SETTINGS * len(grid), NUM_TOKENS, CPU)
    drawn = sampler.draw(penalised.repeat(len(grid), 1), grid.repeat_interleave(len(SETTINGS))).view(len(grid), -1)
    for index, row in enumerate(SETTINGS):
        shares = torch.bincount(drawn[:, index], minlength=NUM_TOKENS) / len(grid)
        torch.testing.assert_close(shares, expected_shares(row, logits[index], seen[index]), atol=6e-4, rtol=0)


def test_a_row_s_draw_does_not_depend_on_its_mates(logits):
    uniforms = torch.rand(len(SETTINGS), generator=torch.Generator().manual_seed(1))
    crowd = RowSampler(SETTINGS, NUM_TOKENS, CPU).draw(logits, uniforms)
    for index, row in enumerate(SETTINGS):
        alone = RowSampler([row], NUM_TOKENS, CPU).draw(logits[index : index + 1], uniforms[index : index + 1])
        assert alone == crowd[index]


def test_the_largest_uniform_still_draws_a_token():
    flat = torch.zeros(1, NUM_TOKENS)
    largest = torch.tensor([np.nextafter(np.float32(1), np.float32(0))])
    assert 0 <= RowSampler([Sampling(top_k=0)], NUM_TOKENS, CPU).draw(flat, largest) < NUM_TOKENS


def test_a_seed_gives_its_numbers_again():
    first, again, other = Uniforms(5, 16), Uniforms(5, 16), Uniforms(6, 16)
    numbers = np.stack([first.next() for _ in range(200)])
    assert (numbers == np.stack([again.next() for _ in range(200)])).all()
    assert (numbers != np.stack([other.next() for _ in range(200)])).any()
    assert numbers.min() >= 0
    assert numbers.max() < 1
