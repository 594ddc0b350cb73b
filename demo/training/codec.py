"""Train the demo speech tokenizer's decoder on fixed codes: python -m demo.training.codec

The codes come from components and centroids that are fitted first and then frozen in the decoder: trained from
scratch end to end, the latents run away and the decoder learns to ignore them.

The decoder learns to speak in monotone at the multiple of 50 Hz that the register names: so small and so briefly
trained, it repeats one pattern every 20 ms (its rate before the last upsampling) and carries no other pitch. Some
utterances change their register on the way, as tones do.
"""

import random
import time
from dataclasses import dataclass

import librosa
import numpy as np
import torch
from torch import nn

from demo.training.fit_codes import mixed_utterances
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import (
    FOLDER,
    LATENT_DIM,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    Qwen3TTSTokenizerV2Model,
    codec_config,
    reset_parameters,
    save_codec,
)
from demo.training.tts_speech import flat, in_registers
from demo.training.tts_voices import reachable_registers

NUM_THREADS = 1
SEED = 5
NUM_UTTERANCES = 1600
NUM_STEPS = 2600
SAVE_EVERY = 100
BATCH = 4
WINDOW_FRAMES = 16
WARM_UP_FRAMES = 2  # a window that starts in mid-speech lacks its past: no loss there
LEARNING_RATE = 2e-3
LAST_LEARNING_RATE = 2e-4
SCALES = ((512, 40), (1024, 64), (2048, 160), (4096, 320))  # FFT size, mel bands; the last ones tell harmonics apart
TONAL_SHARE = 0.2
LONGEST_TONE_FRAMES = 6
LOG_FLOOR = 1e-4
RESIDUAL_SCALE = 0.1  # the official start (1e-6, 0.01) leaves residual branches asleep for hundreds of steps


@dataclass
class Scale:
    """One resolution of the spectral loss."""

    size: int
    window: torch.Tensor
    filters: torch.Tensor

    def magnitude(self, audio: torch.Tensor) -> torch.Tensor:
        """(batch, bins, frames) of `audio` (batch, samples)."""
        spectrum = torch.stft(audio, self.size, self.size // 4, window=self.window, return_complex=True)
        return (spectrum.real**2 + spectrum.imag**2 + 1e-12).sqrt() / (self.size / 2)

    def log_mel(self, magnitude: torch.Tensor) -> torch.Tensor:
        return (self.filters @ magnitude).clamp(min=LOG_FLOOR).log()


def make_scales() -> list[Scale]:
    return [
        Scale(
            size,
            torch.hann_window(size),
            torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=size, n_mels=bands, norm=None)),
        )
        for size, bands in SCALES
    ]


def spectral_loss(heard: torch.Tensor, target: torch.Tensor, scales: list[Scale]) -> torch.Tensor:
    """Log-mel distance plus half the spectral convergence of the whole batch (of one clip it explodes on silence)."""
    loss = heard.new_zeros(())
    for scale in scales:
        ours, theirs = scale.magnitude(heard), scale.magnitude(target)
        loss = loss + nn.functional.l1_loss(scale.log_mel(ours), scale.log_mel(theirs))
        loss = loss + 0.5 * (ours - theirs).norm() / theirs.norm()
    return loss / len(scales)


def _set_book(book: nn.Module, centroids: torch.Tensor) -> None:
    """The official codebooks hold a running sum and a usage count: a count of one makes the sum the centroid."""
    sums = book.embed_sum if hasattr(book, "embed_sum") else book.embedding_sum
    sums.data.copy_(centroids)
    book.cluster_usage.data.fill_(1.0)


@torch.no_grad()
def place_books(codec: Qwen3TTSTokenizerV2Model, books: CodeBooks) -> None:
    """Put the centroids into decoder and encoder.

    The decoder's projections stack the semantic and the acoustic latent; the encoder's both read its first channels.
    """
    identity, nothing = torch.eye(LATENT_DIM), torch.zeros(LATENT_DIM, LATENT_DIM)
    decoder, encoder = codec.decoder.quantizer, codec.encoder.quantizer
    decoder.rvq_first.output_proj.weight.copy_(torch.cat([identity, nothing])[..., None])
    decoder.rvq_rest.output_proj.weight.copy_(torch.cat([nothing, identity])[..., None])
    encoder_head = torch.eye(LATENT_DIM, codec.encoder.config.hidden_size)[..., None]
    for quantizer in (encoder.semantic_residual_vector_quantizer, encoder.acoustic_residual_vector_quantizer):
        quantizer.input_proj.weight.copy_(encoder_head)
    decoder_layers = [*decoder.rvq_first.vq.layers, *decoder.rvq_rest.vq.layers]
    encoder_layers = [
        *encoder.semantic_residual_vector_quantizer.layers,
        *encoder.acoustic_residual_vector_quantizer.layers,
    ]
    for ours, theirs, centroids in zip(decoder_layers, encoder_layers, books.centroids, strict=True):
        _set_book(ours._codebook, centroids)
        _set_book(theirs.codebook, centroids)


def build_codec(books: CodeBooks) -> Qwen3TTSTokenizerV2Model:
    """An untrained codec around the given code books; only its decoder learns here."""
    codec = Qwen3TTSTokenizerV2Model(codec_config())
    reset_parameters(codec)
    for name, parameter in codec.named_parameters():
        if name.endswith("gamma") or name.endswith("layer_scale.scale"):
            parameter.data.fill_(RESIDUAL_SCALE)
    place_books(codec, books)
    codec.encoder.requires_grad_(False)
    codec.decoder.quantizer.requires_grad_(False)
    return codec


def random_registers(name: str, num_frames: int, rng: random.Random) -> np.ndarray:
    """Any register that the voice reaches, in one utterance of five a new one every few frames."""
    reachable = reachable_registers(name)
    if rng.random() >= TONAL_SHARE:
        return np.full(num_frames, rng.choice(reachable))
    tones = [[rng.choice(reachable)] * rng.randint(1, LONGEST_TONE_FRAMES) for _ in range(num_frames)]
    return np.concatenate(tones)[:num_frames]


def utterances(books: CodeBooks) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Codes (frames, groups) of mixed utterances and what they should sound like (samples)."""
    rng = random.Random(SEED)
    pairs = []
    for text, voice in mixed_utterances(NUM_UTTERANCES, SEED):
        audio = flat(text, voice)
        registers = random_registers(voice.name, len(audio) // SAMPLES_PER_FRAME, rng)
        codes = torch.from_numpy(books.encode(audio, registers)).long()
        pairs.append((codes, torch.from_numpy(in_registers(text, voice, registers))))
    return pairs


class Windows:
    """Random windows of utterances: codes (batch, groups, frames) and audio (batch, samples)."""

    def __init__(self, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        self.pairs = [pair for pair in pairs if len(pair[0]) >= WINDOW_FRAMES]

    def draw(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        codes, audio = [], []
        for index in torch.randint(len(self.pairs), (BATCH,), generator=generator):
            all_codes, all_audio = self.pairs[index]
            start = int(torch.randint(len(all_codes) - WINDOW_FRAMES + 1, (), generator=generator))
            end = start + WINDOW_FRAMES
            codes.append(all_codes[start:end])
            audio.append(all_audio[start * SAMPLES_PER_FRAME : end * SAMPLES_PER_FRAME])
        return torch.stack(codes).transpose(1, 2), torch.stack(audio)


def train_decoder(codec: Qwen3TTSTokenizerV2Model, windows: Windows) -> None:
    """AdamW with a cosine decay; saves the speech tokenizer on the way."""
    parameters = [parameter for parameter in codec.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.8, 0.99), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, NUM_STEPS, eta_min=LAST_LEARNING_RATE)
    generator = torch.Generator().manual_seed(SEED)
    scales = make_scales()
    skip = WARM_UP_FRAMES * SAMPLES_PER_FRAME
    started, total = time.perf_counter(), 0.0
    for step in range(1, NUM_STEPS + 1):
        codes, audio = windows.draw(generator)
        loss = spectral_loss(codec.decoder(codes).squeeze(1)[:, skip:], audio[:, skip:], scales)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
        if step % 50 == 0:
            print(f"step {step} loss {total / 50:.3f} {(time.perf_counter() - started) / step:.2f} s/step", flush=True)
            total = 0.0
        if step % SAVE_EVERY == 0:
            save_codec(codec)


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    books = CodeBooks.load()
    FOLDER.mkdir(parents=True, exist_ok=True)
    train_decoder(build_codec(books), Windows(utterances(books)))


if __name__ == "__main__":
    main()
