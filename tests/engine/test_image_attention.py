"""Our attention gives upstream's numbers, to the last bit."""

import pytest
import torch
from diffusers import QwenImageTransformer2DModel

from qwen_engine.image.attention import JointAttention

ROWS, TEXT = 3, 7
SHAPES = [(1, 4, 4), (1, 2, 6)]  # what is drawn, and a reference
LENGTHS = [7, 3, 5]


@pytest.fixture(scope="module")
def transformer() -> QwenImageTransformer2DModel:
    torch.manual_seed(0)
    return QwenImageTransformer2DModel(
        num_layers=2,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=48,
        axes_dims_rope=(8, 12, 12),
        zero_cond_t=True,
    ).eval()


@torch.inference_mode()
def forward(transformer: QwenImageTransformer2DModel, *, masked: bool) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    num_tokens = sum(height * width for _, height, width in SHAPES)
    mask = torch.arange(TEXT)[None] < torch.tensor(LENGTHS)[:, None]
    return transformer(
        hidden_states=torch.randn(ROWS, num_tokens, 64, generator=generator).to(transformer.dtype),
        encoder_hidden_states=torch.randn(ROWS, TEXT, 48, generator=generator).to(transformer.dtype),
        encoder_hidden_states_mask=mask if masked else None,
        timestep=torch.rand(ROWS, generator=generator).to(transformer.dtype),
        img_shapes=[SHAPES] * ROWS,
        return_dict=False,
    )[0]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_it_is_upstreams_to_the_last_bit(transformer, dtype, masked):
    transformer.to(dtype)
    upstream = dict(transformer.attn_processors)
    theirs = forward(transformer, masked=masked)
    transformer.set_attn_processor(JointAttention())
    ours = forward(transformer, masked=masked)
    transformer.set_attn_processor(upstream)
    assert torch.equal(ours, theirs)
