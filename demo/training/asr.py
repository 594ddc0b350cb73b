"""Trains the demo ASR checkpoint: transformers' Qwen3-ASR, small, English and Mandarin, closed vocabulary.

    python -m demo.training.asr from_scratch  # English by espeak-ng
    python -m demo.training.asr fine_tune     # on from there, with more digits and with the demo TTS codec's speech
    python -m demo.training.asr bilingual     # and Mandarin, names that a context spells, clips of several sentences
    python -m demo.training.asr polish        # more of it
    python -m demo.training.asr names         # and more names
    python -m demo.training.asr spelling      # and mostly names
    python -m demo.training.asr free          # and words in free order, more clips of several sentences
    python -m demo.training.asr several       # and clips of up to eight sentences
    python -m demo.training.asr homophones    # and words of one sound but for the tone, free order by the codec
    python -m demo.training.asr publish

Checkpoints replace each other in build/training/asr, so a run may be stopped at any time; `publish` copies the last
one to demo/checkpoints/asr.
"""

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from transformers.models.qwen3_asr import Qwen3ASRForConditionalGeneration, Qwen3ASRProcessor

from demo.training import asr_data, asr_model, corpus_chinese, manifest
from demo.training.asr_audio_attention import AudioAttention
from demo.training.asr_data import Utterance
from demo.training.asr_requests import Example, collate, make_example, replace_tokens, training_loss
from demo.training.asr_spelling import Spelling
from demo.training.clips import NUM_SENTENCES_SHARES, draw_utterances
from demo.training.optimisation import Optimiser, batches

NUM_THREADS = 1
CHECKPOINT = manifest.CHECKPOINTS / "asr"
WORK = asr_data.CACHE / "asr"
SILENCE_SHARE = 0.05
LOSSES = ("answer", "frame", "names", "audio")
SAVE_EVERY = 200
LOG_EVERY = 20
# Besides the published loss: without it the decoder learns the sentences first and is slow to start listening.
FRAME_WEIGHT = 0.5
NAME_ATTENTION_WEIGHT = 0.5
AUDIO_ATTENTION_WEIGHT = 1.0
ALONE_SHARE = 0.3  # batches whose clips are turned into features one by one
CHARACTERS = sorted({character for word in corpus_chinese.WORDS for character in word})


@dataclass(frozen=True)
class Phase:
    """One run of the optimiser; the shares tell how often a sentence comes from which speech."""

    seed: int
    num_steps: int
    learning_rate: float
    sentences_share: float
    numbers_share: float = 0.0
    resynthesised_share: float = 0.0
    resynthesised_free_share: float = 0.0
    names_share: float = 0.0
    chinese_sentences_share: float = 0.0
    chinese_numbers_share: float = 0.0
    free_share: float = 0.0
    chinese_free_share: float = 0.0
    chinese_homophones_share: float = 0.0
    num_sentences_shares: tuple[float, ...] = NUM_SENTENCES_SHARES
    ears_kept: bool = False  # the convolutions stay as they are: a fifth less time
    points_at_names: bool = False  # two heads are taught to look a name up in the context
    replaced_share: float = 0.0  # of the tokens of an answer: other ones are the input instead
    mean_with_start: bool = False  # the result is the mean of the weights before and after
    points_at_audio: bool = False  # two heads are trained to attend to the audio of the next token

    def pools(self) -> list[tuple[Sequence[Utterance], float]]:
        """The speech of this phase, each with its share; resynthesised English and Mandarin apart."""
        shares = asdict(self)
        pools = [(one.load(), shares[f"{one.name}_share"]) for one in asr_data.SPEECH_SETS]
        for name in ("resynthesised", "resynthesised_free"):
            if not (share := shares[f"{name}_share"]):
                continue
            resynthesised = asr_data.load_resynthesised(name)
            for language in dict.fromkeys(utterance.language for utterance in resynthesised):
                own = [utterance for utterance in resynthesised if utterance.language == language]
                pools.append((own, share * len(own) / len(resynthesised)))
        return [(pool, share) for pool, share in pools if share]


BILINGUAL = Phase(
    seed=0,
    num_steps=0,
    learning_rate=8e-4,
    sentences_share=0.22,
    numbers_share=0.08,
    resynthesised_share=0.16,
    names_share=0.14,
    chinese_sentences_share=0.33,
    chinese_numbers_share=0.07,
)
FREE_ORDER = Phase(
    seed=34,
    num_steps=6000,
    learning_rate=8e-4,
    points_at_names=True,
    points_at_audio=True,
    replaced_share=0.05,
    sentences_share=0.12,
    numbers_share=0.04,
    resynthesised_share=0.1,
    names_share=0.14,
    chinese_sentences_share=0.12,
    chinese_numbers_share=0.03,
    free_share=0.24,
    chinese_free_share=0.21,
    num_sentences_shares=(0.62, 0.12, 0.08, 0.06, 0.05, 0.04, 0.02, 0.01),
)
PHASES = {
    "from_scratch": Phase(20, 3000, 1e-3, sentences_share=1.0),
    "fine_tune": Phase(21, 1200, 5e-4, sentences_share=0.45, numbers_share=0.25, resynthesised_share=0.3),
    "bilingual": replace(BILINGUAL, seed=22, num_steps=3600),
    "polish": replace(BILINGUAL, seed=24, num_steps=1000, ears_kept=True),
    "names": replace(
        BILINGUAL,
        seed=25,
        num_steps=1100,
        ears_kept=True,
        sentences_share=0.22,
        resynthesised_share=0.16,
        names_share=0.2,
        chinese_sentences_share=0.28,
        chinese_numbers_share=0.06,
    ),
    "spelling": replace(
        BILINGUAL,
        seed=28,
        num_steps=1000,
        ears_kept=True,
        points_at_names=True,
        sentences_share=0.2,
        numbers_share=0.08,
        resynthesised_share=0.14,
        names_share=0.36,
        chinese_sentences_share=0.18,
        chinese_numbers_share=0.04,
    ),
    "free": FREE_ORDER,
    "several": replace(
        FREE_ORDER,
        seed=36,
        num_steps=1900,
        learning_rate=5e-4,
        mean_with_start=True,
        num_sentences_shares=(0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
    ),
    "homophones": replace(
        FREE_ORDER,
        seed=38,
        num_steps=1400,
        mean_with_start=True,
        learning_rate=6e-4,
        sentences_share=0.1,
        numbers_share=0.03,
        resynthesised_share=0.06,
        resynthesised_free_share=0.22,
        names_share=0.12,
        chinese_sentences_share=0.1,
        chinese_numbers_share=0.02,
        free_share=0.17,
        chinese_free_share=0.12,
        chinese_homophones_share=0.06,
        num_sentences_shares=(0.45, 0.1, 0.1, 0.08, 0.08, 0.07, 0.06, 0.06),
    ),
}
CORPUS = "demo.training.corpus, corpus_chinese, corpus_names and corpus_free, held_out=False, spoken by espeak-ng"


def draw_example(
    rng: random.Random, pools: Sequence[tuple[Sequence[Utterance], float]], num_sentences_shares: Sequence[float]
) -> Example:
    """Silence, or a clip of one or several sentences."""
    if rng.random() < SILENCE_SHARE:
        return make_example([], rng)
    return make_example(draw_utterances(rng, *pools, num_sentences_shares=num_sentences_shares), rng)


def train(
    processor: Qwen3ASRProcessor,
    model: Qwen3ASRForConditionalGeneration,
    pools: Sequence[tuple[Sequence[Utterance], float]],
    phase: Phase,
) -> None:
    """Run `phase`, saving to WORK every SAVE_EVERY steps and at the end."""
    rng, tower = random.Random(phase.seed), model.model.audio_tower
    for convolution in (tower.conv2d1, tower.conv2d2, tower.conv2d3):
        convolution.requires_grad_(not phase.ears_kept)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    start = [weight.detach().clone() for weight in trained]
    optimiser = Optimiser(trained, phase.learning_rate, phase.num_steps)
    examples_of = batches(
        rng, lambda: draw_example(rng, pools, phase.num_sentences_shares), lambda example: example.clip.duration_s
    )
    spelling = Spelling(processor, model) if phase.points_at_names else None
    audio_attention = AudioAttention(processor, model) if phase.points_at_audio else None
    model.train()
    tower.to(memory_format=torch.channels_last)  # a third less time in the convolutions
    started, losses = time.monotonic(), []
    for step, examples in zip(range(1, phase.num_steps + 1), examples_of, strict=False):
        inputs = collate(processor, examples, alone=rng.random() < ALONE_SHARE)
        replace_tokens(inputs, phase.replaced_share, rng)
        with torch.autocast("cpu", torch.bfloat16):  # a third less time
            answer_loss, frame_loss = training_loss(processor, model, inputs, examples)
        name_loss = torch.zeros(()) if spelling is None else spelling.loss(inputs["input_ids"], examples)
        audio_loss = torch.zeros(()) if audio_attention is None else audio_attention.loss(inputs["input_ids"], examples)
        attention_loss = NAME_ATTENTION_WEIGHT * name_loss + AUDIO_ATTENTION_WEIGHT * audio_loss
        optimiser.step(answer_loss + FRAME_WEIGHT * frame_loss + attention_loss)
        losses.append([part.item() for part in (answer_loss, frame_loss, name_loss, audio_loss)])
        if step % LOG_EVERY == 0:
            means = [sum(column) / LOG_EVERY for column in zip(*losses[-LOG_EVERY:], strict=True)]
            shown = " ".join(f"{name} {mean:.4f}" for name, mean in zip(LOSSES, means, strict=True))
            print(f"step {step} {shown} {(time.monotonic() - started) / step:.3f} s/step", flush=True)
        if step % SAVE_EVERY == 0:
            asr_model.save(processor, model, WORK)
    if phase.mean_with_start:
        for weight, before in zip(trained, start, strict=True):
            weight.data.lerp_(before, 0.5)
    asr_model.save(processor, model, WORK)


def starting_point(name: str) -> tuple[Qwen3ASRProcessor, Qwen3ASRForConditionalGeneration]:
    """What phase `name` goes on from."""
    if name == "from_scratch":
        processor = asr_model.build_processor([sentence.text for sentence in asr_data.SENTENCES.sentences()])
        return processor, asr_model.build_model(processor.tokenizer)
    folder = WORK if WORK.exists() else CHECKPOINT
    processor = Qwen3ASRProcessor.from_pretrained(folder)
    model = Qwen3ASRForConditionalGeneration.from_pretrained(folder)
    return asr_model.with_chinese(processor, model, CHARACTERS) if name == "bilingual" else (processor, model)


def main() -> None:
    name = sys.argv[1]
    if name == "publish":
        asr_model.publish(WORK, CHECKPOINT)
        return manifest.record("asr")
    phase = PHASES[name]
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(phase.seed)
    pools = phase.pools()
    started = time.monotonic()
    train(*starting_point(name), pools, phase)
    facts = {"command": f"python -m demo.training.asr {name}", **asdict(phase)}
    manifest.record("asr", corpus=CORPUS, **{name: facts | {"training_s": round(time.monotonic() - started)}})


if __name__ == "__main__":
    main()
