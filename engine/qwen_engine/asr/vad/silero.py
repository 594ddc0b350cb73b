"""The detector of the package silero-vad, a small recurrent network.

Of the package only the weights are used: importing it would set torch to one thread in the whole process, and its own
model goes frame by frame and keeps the state of one stream only.
"""

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from qwen_engine.asr.vad.activity import Activity, FrameActivity
from qwen_engine.asr.vad.bands import in_db, powers_of

# What the package itself loads. The weights in its silero_vad_16k.safetensors differ, and give other probabilities.
MODEL = Path("data", "silero_vad.jit")

FRAME = 512  # samples, 32 ms
CONTEXT = 64  # samples before each frame that are part of its input
MIRRORED = 64  # and after it, of its own end
BLOCK = 500 * FRAME  # samples processed at once: the spectra of an hour would take 0.5 GB
NUM_BINS = 129
HIDDEN = 128

LOUD, SOFT = 0.5, 0.35  # the package's probabilities for speech to begin, and to continue

State = tuple[torch.Tensor, torch.Tensor]  # of the recurrent layer, (1, HIDDEN) each


def model_file() -> Path:
    """The package's model for 16 and 8 kHz, by TorchScript.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("vad_method is 'silero', but there is no silero-vad; pip install 'silero-vad>=6.2.3'")
    return Path(spec.origin).parent / MODEL


class SileroNetwork(nn.Module):
    """Spectrum, four convolutions, a recurrent layer: how likely each frame is speech."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = nn.Conv1d(1, 2 * NUM_BINS, 256, stride=128, bias=False)
        self.encoder = nn.Sequential(
            nn.Conv1d(NUM_BINS, 128, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(128, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv1d(64, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv1d(64, HIDDEN, 3, padding=1),
            nn.ReLU(),
        )
        self.recurrent = nn.LSTM(HIDDEN, HIDDEN)
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, frames: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        """Probabilities (n,) of consecutive frames (n, CONTEXT + FRAME), and the state after them."""
        real, imaginary = self.spectrum(pad(frames[:, None], (0, MIRRORED), "reflect")).split(NUM_BINS, dim=1)
        encoded = self.encoder((real.square() + imaginary.square()).sqrt())[:, :, 0]
        hidden, state = self.recurrent(encoded, state)
        return self.head(hidden.relu()).sigmoid()[:, 0], state


def load_network() -> SileroNetwork:
    """The network with the package's weights; one serves any number of streams.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    file = model_file()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated", DeprecationWarning)
        published = torch.jit.load(str(file), map_location="cpu")
    network = SileroNetwork().eval()
    network.load_state_dict(_renamed(published._model.state_dict()))
    return network


def _renamed(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by their names in `SileroNetwork`."""
    named = {"spectrum.weight": published["stft.forward_basis_buffer"]}
    for number in range(4):
        for kind in ("weight", "bias"):
            named[f"encoder.{2 * number}.{kind}"] = published[f"encoder.{number}.reparam_conv.{kind}"]
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        named[f"recurrent.{name}_l0"] = published[f"decoder.rnn.{name}"]
    named["head.weight"] = published["decoder.decoder.2.weight"][:, :, 0]
    named["head.bias"] = published["decoder.decoder.2.bias"]
    return named


class ScoredFrames(NamedTuple):
    """Samples (n, FRAME), and how likely each frame is speech (n,)."""

    samples: np.ndarray
    probabilities: np.ndarray


class SileroStream:
    """The state of one stream: the network's, and the samples from the context of the next frame on."""

    def __init__(self, network: SileroNetwork) -> None:
        self._network = network
        self._samples = np.zeros(CONTEXT, np.float32)
        self._state: State | None = None

    def feed(self, samples: np.ndarray) -> ScoredFrames:
        """Add `samples` (n,): the frames that are complete now."""
        samples = np.concatenate((self._samples, samples.astype(np.float32, copy=False)))
        length = (len(samples) - CONTEXT) // FRAME * FRAME
        self._samples = samples[length:].copy()
        if not length:
            return ScoredFrames(np.zeros((0, FRAME), np.float32), np.zeros(0, np.float32))
        windows = np.lib.stride_tricks.sliding_window_view(samples[: length + CONTEXT], CONTEXT + FRAME)[::FRAME]
        return ScoredFrames(windows[:, CONTEXT:], self._judge(windows.copy()))

    @torch.inference_mode()
    def _judge(self, windows: np.ndarray) -> np.ndarray:
        probabilities, self._state = self._network(torch.from_numpy(windows), self._state)
        judged: np.ndarray = probabilities.numpy()
        return judged


class SileroDetector:
    """A `Detector`."""

    def __init__(self) -> None:
        self._network = load_network()

    def detect(self, samples: np.ndarray) -> Activity:
        stream = SileroStream(self._network)
        blocks = (samples[at : at + BLOCK] for at in range(0, len(samples), BLOCK))
        scored = [stream.feed(np.pad(block, (0, -len(block) % FRAME))) for block in blocks]
        probabilities = np.concatenate([block.probabilities for block in scored])
        return Activity(probabilities >= LOUD, probabilities >= SOFT, FRAME)

    def streaming(self) -> "StreamingSileroDetector":
        return StreamingSileroDetector(SileroStream(self._network))


class StreamingSileroDetector:
    """A `StreamingDetector`: a frame is known as soon as it has ended."""

    hop = FRAME

    def __init__(self, stream: SileroStream) -> None:
        self._stream = stream

    def feed(self, samples: np.ndarray) -> list[FrameActivity]:
        """As `StreamingDetector.feed`."""
        frames, probabilities = self._stream.feed(samples)
        levels_db = in_db(powers_of(frames)).mean(axis=1)
        loud, soft = (probabilities >= LOUD).tolist(), (probabilities >= SOFT).tolist()
        return list(map(FrameActivity, loud, soft, levels_db.tolist()))
