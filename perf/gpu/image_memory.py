"""What Qwen-Image takes of a GPU's memory: `python -m perf.gpu.image_memory` prints the tables of docs/operations.md.

Weights are counted on the official classes in the published shapes, what a forward needs besides by live_bytes.py. On
top come the kernels' own workspace and what CUDA takes in each process, about half a GB.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import torch

from perf.gpu.image_shapes import CONFIGS, without_content
from perf.gpu.live_bytes import peak_bytes
from qwen_engine.image.checkpoint import UNQUANTISED

Storage: TypeAlias = Literal["as stored", "fp8", "int8"]
Offload: TypeAlias = Literal["none", "text_encoder", "group", "model"]

GB = 1e9
SIDES_PX = (512, 1024, 1328)
PIXELS_PER_TOKEN = 16 * 16
AWAY: dict[Offload, Sequence[str]] = {  # whose weights are in CPU memory
    "none": (),
    "text_encoder": ("text_encoder",),
    "group": ("transformer", "text_encoder"),
    "model": tuple(CONFIGS),
}
STORAGES: tuple[Storage, ...] = ("as stored", "fp8", "int8")
STEP_TOKENS = 16384  # the profiles' max_step_tokens
PROMPT_TOKENS = 512  # the longest, beside 34 of the template
INT8_ROW_BYTES = 5  # torchao keeps a scale (float32) and a zero point (int8) for each row of a matrix


@functools.cache
def component(name: str) -> Any:
    """One of `CONFIGS`, in the published shapes."""
    return without_content(name, CONFIGS[name])


def weight_bytes(name: str, storage: Storage = "as stored") -> int:
    """bfloat16 as stored; fp8 by diffusers' layerwise casting; int8 by torchao, matrices of the blocks only."""
    if storage == "int8":
        linears = [
            module
            for name, module in component(name).named_modules()
            if isinstance(module, torch.nn.Linear) and not name.startswith(UNQUANTISED)
        ]
        saved = sum(linear.weight.numel() - INT8_ROW_BYTES * linear.out_features for linear in linears)
        return weight_bytes(name) - saved
    module = component(name)
    if storage == "fp8":
        module = without_content(name, CONFIGS[name])
        module.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    return sum(tensor.nbytes for tensor in module.parameters())


def num_parameters(name: str) -> int:
    return sum(tensor.numel() for tensor in component(name).parameters())


@functools.cache
def step_bytes(side_px: int, num_rows: int) -> int:
    """A denoising step of the transformer, with prompts of the longest kind."""
    side = side_px // 16
    tokens = torch.empty(num_rows, side * side, 64, dtype=torch.bfloat16, device="meta")
    prompts = torch.empty(num_rows, PROMPT_TOKENS, 3584, dtype=torch.bfloat16, device="meta")
    times = torch.empty(num_rows, dtype=torch.bfloat16, device="meta")
    shapes = [[(1, side, side)]] * num_rows
    transformer = component("transformer")
    return peak_bytes(
        lambda: transformer(tokens, encoder_hidden_states=prompts, timestep=times, img_shapes=shapes, return_dict=False)
    )


@functools.cache
def prompt_bytes() -> int:
    ids = torch.empty(1, PROMPT_TOKENS + 34, dtype=torch.int64, device="meta")
    return peak_bytes(lambda: component("text_encoder")(input_ids=ids, output_hidden_states=True))


@functools.cache
def decode_bytes(side_px: int) -> int:
    latents = torch.empty(1, 16, 1, side_px // 8, side_px // 8, dtype=torch.bfloat16, device="meta")
    return peak_bytes(lambda: component("vae").decode(latents, return_dict=False))


@functools.cache
def encode_bytes(side_px: int) -> int:
    pixels = torch.empty(1, 3, 1, side_px, side_px, dtype=torch.bfloat16, device="meta")
    return peak_bytes(lambda: component("vae").encode(pixels))


def rows_a_step(side_px: int) -> int:
    """As many as `STEP_TOKENS` hold, pictures and prompts."""
    return max(1, STEP_TOKENS // (side_px * side_px // PIXELS_PER_TOKEN + PROMPT_TOKENS))


def weights_table() -> Iterator[str]:
    yield from _head("weights, GB", "parameters", *STORAGES)
    kept = [_weights(storage) for storage in STORAGES]
    for name in CONFIGS:
        yield _row(name, f"{num_parameters(name) / GB:.3f} G", *(_gb(weights[name] / GB) for weights in kept))
    yield _row("together", "", *(_gb(sum(weights.values()) / GB) for weights in kept))


def forwards_table() -> Iterator[str]:
    yield from _head("additional, GB", *(f"{side} x {side}" for side in SIDES_PX))
    yield _row("a step, one row", *(_gb(step_bytes(side, 1) / GB) for side in SIDES_PX))
    full = [(step_bytes(side, rows_a_step(side)), rows_a_step(side)) for side in SIDES_PX]
    yield _row(f"a step of {STEP_TOKENS} tokens", *(f"{_gb(size / GB)} ({count} rows)" for size, count in full))
    yield _row("the VAE: latents to a picture", *(_gb(decode_bytes(side) / GB) for side in SIDES_PX))
    yield _row("the VAE: a picture to latents", *(_gb(encode_bytes(side) / GB) for side in SIDES_PX))
    yield _row(f"a prompt of {PROMPT_TOKENS} tokens", *[_gb(prompt_bytes() / GB)] * len(SIDES_PX))


def profiles_table() -> Iterator[str]:
    """What the GPU must hold at most, and the CPU for it."""
    yield from _head("`weights`", "`offload`", *(f"GPU, {side} x {side}" for side in SIDES_PX), "CPU")
    for storage in STORAGES:
        for offload in AWAY:
            needs = [_gb(gpu_bytes(storage, offload, side) / GB) for side in SIDES_PX]
            yield _row(storage, offload, *needs, _gb(cpu_bytes(storage, offload) / GB))


def gpu_bytes(storage: Storage, offload: Offload, side_px: int) -> int:
    """Weights, and a step beside the greedier of the text encoder's and the VAE's forwards; but with "model", where
    one component is there at a time, the one that needs most with its own forward."""
    weights = _weights(storage)
    step, others = step_bytes(side_px, rows_a_step(side_px)), {"text_encoder": prompt_bytes()}
    others["vae"] = decode_bytes(side_px)
    if offload == "model":
        return max(weights[name] + {"transformer": step, **others}[name] for name in weights)
    away = AWAY[offload]
    stays = sum(size for name, size in weights.items() if name not in away)
    return stays + sum(2 * _largest_layer(name) for name in away) + step + max(others.values())


def cpu_bytes(storage: Storage, offload: Offload) -> int:
    return sum(size for name, size in _weights(storage).items() if name in AWAY[offload])


def _weights(storage: Storage) -> dict[str, int]:
    return {name: weight_bytes(name, storage if name == "transformer" else "as stored") for name in CONFIGS}


def _largest_layer(name: str) -> int:
    """As stored: in fp8, too, a layer at work is in bfloat16. Two are on the GPU, the one at work and the next."""
    return max(sum(tensor.nbytes for tensor in layer.parameters(recurse=False)) for layer in component(name).modules())


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield "|" + "---|" * len(cells)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _gb(size: float) -> str:
    return f"{size:.2f}" if size < 10 else f"{size:.1f}"


def tables() -> list[str]:
    """All of them, as Markdown."""
    return ["\n".join(table()) for table in (weights_table, forwards_table, profiles_table)]


if __name__ == "__main__":
    print("\n\n".join(tables()))
