"""Write the cloning and the design checkpoint around the trained talker: python -m demo.training.publish_voices"""

import torch

from demo.training import speaker_encoder
from demo.training.talker import GENERATION, load_trained
from demo.training.tts_config import Qwen3TTSSpeakerEncoder, save_base, save_design, save_talker
from demo.training.voice_space import DIMENSION


@torch.no_grad()
def with_projection(encoder: Qwen3TTSSpeakerEncoder, projection: torch.nn.Linear) -> Qwen3TTSSpeakerEncoder:
    """`encoder`, whose last layer gives what `projection` makes of its numbers."""
    whole = speaker_encoder.build(projection.out_features)
    weights = encoder.state_dict()
    last, bias = weights["fc.weight"][..., 0], weights["fc.bias"]
    weights["fc.weight"] = (projection.weight @ last).unsqueeze(-1)
    weights["fc.bias"] = projection.weight @ bias + projection.bias
    whole.load_state_dict(weights)
    return whole


def main() -> None:
    trained = load_trained()
    encoder = speaker_encoder.build(DIMENSION)
    encoder.load_state_dict(torch.load(speaker_encoder.FILE))
    save_talker(trained.model, GENERATION)
    save_base(with_projection(encoder, trained.voice_projection), GENERATION)
    save_design(GENERATION)


if __name__ == "__main__":
    main()
