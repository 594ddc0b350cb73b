"""One frame of a full batch, with and without graphs: what it costs, and whether both say the same."""

import time
from collections.abc import Callable

import torch

from qwen_engine.sampling import Sampling
from qwen_engine.tts.graphs import GraphedTalker
from qwen_engine.tts.talker import Talker

PROMPT_LENGTH = 30  # positions, of a sentence
NUM_WARM_UPS = 3


class Batch:
    """`num_rows` utterances of random prompts, a frame behind them."""

    def __init__(self, talker: Talker, num_rows: int, sampling: tuple[Sampling, Sampling], seed: int = 0) -> None:
        device, hidden_size = talker.device, talker.config.talker.hidden_size
        generator = torch.Generator(device).manual_seed(seed)
        dtype = talker.text.table.dtype
        self.num_rows, self.samplings = num_rows, [sampling] * num_rows
        prompts = torch.randn(num_rows, PROMPT_LENGTH, hidden_size, generator=generator, device=device).to(dtype)
        self.uniforms = torch.rand(num_rows, talker.config.num_groups, generator=generator, device=device)
        self.fresh = torch.ones(num_rows, dtype=torch.bool, device=device)  # no end: all rows stay
        self.text = prompts[:, 0] * 0.1
        self.length = PROMPT_LENGTH
        talker.prefill(list(prompts), 0)

    def draw(self, talker: Talker | GraphedTalker) -> torch.Tensor:
        return talker.draw(talker.samplers(self.samplings), self.uniforms, self.fresh).cpu()

    def advance(self, talker: Talker | GraphedTalker) -> None:
        talker.advance(self.text, [self.length] * self.num_rows)
        self.length += 1


@torch.inference_mode()
def frame_steps_ms(
    talker: Talker, drawn_from: Talker | GraphedTalker, num_rows: int, sampling: tuple[Sampling, Sampling], count: int
) -> list[float]:
    """Each step draws a frame, has its codes on the host, and feeds it."""
    batch = Batch(talker, num_rows, sampling)
    samplers = drawn_from.samplers(batch.samplings)

    def step() -> None:
        drawn_from.draw(samplers, batch.uniforms, batch.fresh).tolist()
        batch.advance(drawn_from)
        wait_for(talker.device)

    return timed_ms(step, count)


@torch.inference_mode()
def disagreement(
    talker: Talker, graphed: GraphedTalker, num_rows: int, sampling: tuple[Sampling, Sampling], count: int
) -> tuple[float, float]:
    """Over `count` frames from the same state: the share of codes that differ, and how far the hidden states are apart
    for their size.

    The talker without graphs leads: an error cannot grow.
    """
    batch = Batch(talker, num_rows, sampling)
    different, apart = 0.0, 0.0
    for _ in range(count):
        seen = talker._seen.clone()
        theirs = batch.draw(graphed)
        talker._seen.copy_(seen)
        ours = batch.draw(talker)
        different += (ours != theirs).float().mean().item() / count
        batch.advance(graphed)
        replayed = talker._hidden[:num_rows].clone()
        batch.length -= 1
        batch.advance(talker)
        size = talker._hidden[:num_rows].abs().mean()
        apart = max(apart, ((replayed - talker._hidden[:num_rows]).abs().max() / size).item())
    return different, apart


def timed_ms(step: Callable[[], None], count: int) -> list[float]:
    times_ms = []
    for _ in range(NUM_WARM_UPS + count):
        begin_s = time.perf_counter()
        step()
        times_ms.append(1000 * (time.perf_counter() - begin_s))
    return times_ms[NUM_WARM_UPS:]


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
