"""Trains the demo ASR checkpoint: transformers' Qwen3-ASR, small, English, closed vocabulary.

    python -m demo.training.asr from_scratch  # espeak-ng speech
    python -m demo.training.asr fine_tune     # on from there, with more digits and with the demo TTS codec's speech

Intermediate checkpoints replace each other in demo/checkpoints/asr, so a run may be stopped at any time.
"""

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken
from torch import nn
from torch.nn import functional
from transformers import GenerationConfig
from transformers.feature_extraction_utils import BatchFeature
from transformers.models.qwen2 import Qwen2Tokenizer
from transformers.models.qwen3_asr import (
    Qwen3ASRConfig,
    Qwen3ASRFeatureExtractor,
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRProcessor,
)

from demo.training import asr_data, manifest
from demo.training.asr_data import Example, Utterance
from demo.training.tokenizer import train_tokenizer

NUM_THREADS = 1
CHECKPOINT = manifest.CHECKPOINTS / "asr"
BATCH_SIZE = 16
POOL_BATCHES = 25  # clips are sorted by length within a pool of so many batches
SAVE_EVERY = 200
LOG_EVERY = 20
WARM_UP_STEPS = 150
MAX_GRADIENT_NORM = 1.0
# Besides the published loss: without it the decoder learns the sentences first and is slow to start listening.
FRAME_WEIGHT = 0.5
ALONE_SHARE = 0.3  # batches whose clips are turned into features one by one
IGNORED_LABEL = -100
FRAMES_PER_S = 13  # audio tokens: each second is cut into twelve of FRAME_S and a shorter one
FRAME_S = 0.08

VOCAB_SIZE = 640
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>")
# Not special: the processor reads `<asr_text>` in text decoded without special tokens.
MARKERS = ("<asr_text>", "<timestamp>")
WHOLE_WORDS = ("system", "user", "assistant", "language", " English", " None")
# System turn (context), user turn (audio), assistant turn: always the three of them, whatever was given.
CHAT_TEMPLATE = """\
{%- macro text_of(role) -%}
    {%- for message in messages if message.role == role -%}
        {%- if message.content is string -%}{{- message.content -}}
        {%- else -%}{%- for part in message.content if part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}
{{- '<|im_start|>system\\n' + text_of('system') + '<|im_end|>\\n<|im_start|>user\\n' -}}
{%- for message in messages if message.content is not string -%}
    {%- for part in message.content if part.type == 'audio' -%}
        {{- '<|audio_start|><|audio_pad|><|audio_end|>' -}}
    {%- endfor -%}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- if messages[-1].role == 'assistant' -%}
    {{- '<|im_start|>assistant\\n' + text_of('assistant') + '<|im_end|>\\n' -}}
{%- elif add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


@dataclass(frozen=True)
class Phase:
    """One run of the optimiser; the shares tell how often a sentence comes from which speech."""

    seed: int
    num_steps: int
    learning_rate: float
    sentences_share: float
    numbers_share: float = 0.0
    resynthesised_share: float = 0.0

    def pools(self) -> list[tuple[Sequence[Utterance], float]]:
        """The speech of this phase, each with its share."""
        loaders = (
            (asr_data.SENTENCES.load, self.sentences_share),
            (asr_data.NUMBERS.load, self.numbers_share),
            (asr_data.load_resynthesised, self.resynthesised_share),
        )
        return [(load(), share) for load, share in loaders if share]


PHASES = {
    "from_scratch": Phase(20, 3000, 1e-3, sentences_share=1.0),
    "fine_tune": Phase(21, 1200, 5e-4, sentences_share=0.45, numbers_share=0.25, resynthesised_share=0.3),
}
CORPUS = "demo.training.corpus, held_out=False, spoken by espeak-ng"


def build_processor() -> Qwen3ASRProcessor:
    """The published processor around a small tokenizer trained on the training sentences."""
    tokenizer = train_tokenizer(
        asr_data.SENTENCES.texts(), VOCAB_SIZE - len(MARKERS), SPECIAL_TOKENS, whole_words=WHOLE_WORDS
    )
    tokenizer.add_tokens([AddedToken(marker, normalized=False, special=False) for marker in MARKERS])
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(f"{folder}/tokenizer.json")
        wrapped = Qwen2Tokenizer.from_pretrained(
            folder,
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
            audio_token="<|audio_pad|>",
            audio_bos_token="<|audio_start|>",
            audio_eos_token="<|audio_end|>",
        )
    return Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(), wrapped, chat_template=CHAT_TEMPLATE)


def build_model(tokenizer: Qwen2Tokenizer) -> Qwen3ASRForConditionalGeneration:
    """An untrained model of about 1.3 M parameters."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in (*SPECIAL_TOKENS, *MARKERS)}
    end_ids = [ids["<|endoftext|>"], ids["<|im_end|>"]]
    config = Qwen3ASRConfig(
        audio_config={
            "d_model": 128,
            "encoder_layers": 3,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 512,
            "downsample_hidden_size": 24,
            "output_dim": 128,
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 320,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "max_position_embeddings": 65536,
            "tie_word_embeddings": True,
            "initializer_range": 0.04,
        },
        audio_token_id=ids["<|audio_pad|>"],
        timestamp_token_id=ids["<timestamp>"],
        pad_token_id=ids["<|im_end|>"],
        eos_token_id=end_ids,
    )
    model = Qwen3ASRForConditionalGeneration(config)
    _reset_audio_layers(model)
    model.generation_config = GenerationConfig(
        eos_token_id=end_ids, pad_token_id=ids["<|im_end|>"], do_sample=False, max_new_tokens=512
    )
    return model


def _reset_audio_layers(model: Qwen3ASRForConditionalGeneration) -> None:
    """The class starts all weights at a deviation of 0.02: at this size sound drowns in the position embeddings."""
    tower = model.model.audio_tower
    for layer in (*tower.modules(), *model.model.multi_modal_projector.modules()):
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    for layer in (tower.conv2d1, tower.conv2d2, tower.conv2d3, tower.conv_out):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def collate(processor: Qwen3ASRProcessor, examples: Sequence[Example], *, alone: bool) -> BatchFeature:
    """Model inputs with labels on what the assistant has still to say, end token included.

    `alone`: features as a request of its own would have them (the mel frames after a clip's end differ).
    """
    prompts = processor.apply_transcription_request(
        [example.samples for example in examples],
        language=["English" if example.language_forced else None for example in examples],
        prompt=[example.context for example in examples],
        tokenize=False,
    )
    answers = [_answer(example) for example in examples]
    texts = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    inputs = processor(text=texts, audio=[example.samples for example in examples])
    if alone:
        inputs["input_features"] = _features_alone(processor, examples, inputs["input_features"])
    labels = torch.full_like(inputs["input_ids"], IGNORED_LABEL)
    for row, answer_ids in enumerate(processor.tokenizer(answers).input_ids):
        labels[row, -len(answer_ids) :] = torch.tensor(answer_ids)  # padding is on the left
    inputs["labels"] = labels
    return inputs


def _answer(example: Example) -> str:
    language = "English" if example.text else "None"
    prefix = "" if example.language_forced else f"language {language}<asr_text>"
    return f"{prefix}{example.text}<|im_end|>"


def _features_alone(processor: Qwen3ASRProcessor, examples: Sequence[Example], batched: torch.Tensor) -> torch.Tensor:
    features = torch.zeros_like(batched)
    for row, example in enumerate(examples):
        own = processor.feature_extractor(
            [example.samples], sampling_rate=asr_data.SAMPLE_RATE_HZ, padding=True
        ).input_features
        features[row, :, : own.shape[-1]] = own[0]
    return features


def frame_targets(processor: Qwen3ASRProcessor, example: Example, num_frames: int) -> torch.Tensor:
    """The token spoken at each audio frame (num_frames,), as if all letters took equally long; pads in silence."""
    frame = torch.arange(num_frames)
    position = (frame // FRAMES_PER_S + (frame % FRAMES_PER_S + 0.5) * FRAME_S) * asr_data.SAMPLE_RATE_HZ
    targets = torch.full((num_frames,), processor.audio_token_id)
    for span in example.spans:
        encoded = processor.tokenizer(span.text, return_offsets_mapping=True)
        ends = torch.tensor([end for _, end in encoded.offset_mapping]) / len(span.text)
        spoken = (position >= span.start) & (position < span.end)
        share = (position[spoken] - span.start) / (span.end - span.start)
        targets[spoken] = torch.tensor(encoded.input_ids)[torch.searchsorted(ends, share, right=True)]
    return targets


def training_loss(
    processor: Qwen3ASRProcessor, model: Qwen3ASRForConditionalGeneration, examples: Sequence[Example], *, alone: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropies of the answers, and of the audio embeddings read as the tokens spoken about then."""
    inputs = collate(processor, examples, alone=alone)
    outputs = model(**inputs, use_cache=False)
    num_frames = (inputs["input_ids"] == processor.audio_token_id).sum(-1).tolist()
    targets = [frame_targets(processor, *pair) for pair in zip(examples, num_frames, strict=True)]
    frame_loss = functional.cross_entropy(model.lm_head(outputs.audio_hidden_states), torch.cat(targets))
    return outputs.loss, frame_loss


def batches(rng: random.Random, pools: Sequence[tuple[Sequence[Utterance], float]]) -> Iterator[list[Example]]:
    """Endless batches of clips of similar length."""
    while True:
        drawn = [asr_data.draw_utterances(rng, *pools) for _ in range(BATCH_SIZE * POOL_BATCHES)]
        drawn.sort(key=lambda utterances: sum(len(utterance.samples) for utterance in utterances))
        starts = list(range(0, len(drawn), BATCH_SIZE))
        rng.shuffle(starts)
        for start in starts:
            yield [asr_data.make_example(utterances, rng) for utterances in drawn[start : start + BATCH_SIZE]]


def save(processor: Qwen3ASRProcessor, model: Qwen3ASRForConditionalGeneration, folder: Path) -> None:
    """Write the checkpoint beside `folder`, then put it in its place."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    model.save_pretrained(fresh)
    processor.save_pretrained(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def train(
    processor: Qwen3ASRProcessor,
    model: Qwen3ASRForConditionalGeneration,
    pools: Sequence[tuple[Sequence[Utterance], float]],
    phase: Phase,
) -> None:
    """Run `phase`, saving to CHECKPOINT every SAVE_EVERY steps and at the end."""
    rng = random.Random(phase.seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=phase.learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimiser,
        [
            torch.optim.lr_scheduler.LinearLR(optimiser, 0.01, total_iters=WARM_UP_STEPS),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, phase.num_steps - WARM_UP_STEPS, eta_min=1e-6),
        ],
        milestones=[WARM_UP_STEPS],
    )
    model.train()
    model.model.audio_tower.to(memory_format=torch.channels_last)  # a third less time in the convolutions
    started, losses = time.monotonic(), []
    for step, examples in zip(range(1, phase.num_steps + 1), batches(rng, pools), strict=False):
        answer_loss, frame_loss = training_loss(processor, model, examples, alone=rng.random() < ALONE_SHARE)
        (answer_loss + FRAME_WEIGHT * frame_loss).backward()
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append((answer_loss.item(), frame_loss.item()))
        if step % LOG_EVERY == 0:
            answer, frame = (sum(column) / LOG_EVERY for column in zip(*losses[-LOG_EVERY:], strict=True))
            step_s = (time.monotonic() - started) / step
            print(f"step {step} loss {answer:.4f} frame {frame:.4f} {step_s:.3f} s/step", flush=True)
        if step % SAVE_EVERY == 0 or step == phase.num_steps:
            save(processor, model, CHECKPOINT)


def main() -> None:
    name = sys.argv[1]
    phase = PHASES[name]
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(phase.seed)
    pools = phase.pools()
    started = time.monotonic()
    if name == "from_scratch":
        processor = build_processor()
        model = build_model(processor.tokenizer)
    else:
        processor = Qwen3ASRProcessor.from_pretrained(CHECKPOINT)
        model = Qwen3ASRForConditionalGeneration.from_pretrained(CHECKPOINT)
    train(processor, model, pools, phase)
    facts = {"command": f"python -m demo.training.asr {name}", **asdict(phase)}
    manifest.record("asr", corpus=CORPUS, **{name: facts | {"training_s": round(time.monotonic() - started)}})


if __name__ == "__main__":
    main()
