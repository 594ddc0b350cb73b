"""Training examples of the demo recogniser: a clip with a request around it, as model inputs and as losses."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers.feature_extraction_utils import BatchFeature
from transformers.models.qwen3_asr import Qwen3ASRForConditionalGeneration, Qwen3ASRProcessor

from demo.training import corpus, corpus_chinese, corpus_names
from demo.training.asr_data import CHINESE, ENGLISH, SAMPLE_RATE_HZ, Utterance
from demo.training.clips import Clip, Span, silent_clip, speech_clip

FORCED_SHARE = 0.25
CONTEXT_SHARE = 0.2  # of the clips in which nobody is named
UNNAMED_SHARE = 0.4  # of the others, if the spelling is the usual one: it does not stand in the context
MAX_OTHER_NAMES = 4
LETTERS = "abcdefghijklmnopqrstuvwxyz"
IGNORED_LABEL = -100
NAME_WEIGHT = 8.0  # of a name's tokens in the loss: few they are, and the context alone tells them
FRAMES_PER_S = 13  # audio tokens: each second is cut into twelve of FRAME_S and a shorter one
FRAME_S = 0.08


@dataclass(frozen=True)
class Example:
    """One training clip and the request around it; `language` is the one that the request forces."""

    clip: Clip
    context: str
    language: str | None

    @property
    def answer(self) -> str:
        """What the assistant has still to say, end token included."""
        prefix = "" if self.language else f"language {self.clip.language or 'None'}<asr_text>"
        return f"{prefix}{self.clip.text}<|im_end|>"

    def text_spans(self) -> Iterator[tuple[int, Span]]:
        """Where in `answer` each sentence begins."""
        letter = self.answer.index(self.clip.text)
        for span in self.clip.spans:
            letter = self.answer.index(span.text, letter)
            yield letter, span
            letter += len(span.text)


def make_example(utterances: Sequence[Utterance], rng: random.Random) -> Example:
    """A varied clip of `utterances` (none: silence) with a random request around it."""
    clip = speech_clip(utterances, rng) if utterances else silent_clip(rng)
    names = [utterance.name for utterance in utterances if utterance.name]
    context = naming_context(names, rng) if names else random_context(clip.text, rng)
    language = clip.language or rng.choice((ENGLISH, CHINESE))
    return Example(clip, context, language if rng.random() < FORCED_SHARE else None)


def naming_context(names: Sequence[str], rng: random.Random) -> str:
    """A list of names with those that are spoken; without them now and then, if all have their usual spelling."""
    usual = all(corpus_names.USUAL[name] == name for name in names)
    spoken = [] if usual and rng.random() < UNNAMED_SHARE else list(names)
    others = [other for name in names for other in corpus_names.other_names(name, rng.randint(0, MAX_OTHER_NAMES), rng)]
    said = {corpus_names.USUAL[name] for name in names}
    return _listed(spoken + [other for other in others if corpus_names.USUAL[other] not in said], rng)


def random_context(text: str, rng: random.Random) -> str:
    """Words of which few are spoken: context may help to spell, it must never be repeated."""
    if rng.random() >= CONTEXT_SHARE:
        return ""
    words = [rng.choice(rng.choice((corpus.WORDS, corpus_chinese.WORDS[:-2]))) for _ in range(rng.randint(0, 5))]
    words += ["".join(rng.choices(LETTERS, k=rng.randint(3, 8))) for _ in range(rng.randint(0, 2))]
    words += rng.sample(corpus_names.NAMES, rng.randint(0, 3))
    if text and rng.random() < 0.5:
        words.append(rng.choice(text.split()).strip(".,。"))
    return _listed(words, rng)


def _listed(words: list[str], rng: random.Random) -> str:
    rng.shuffle(words)
    return rng.choice((" ", ", ")).join(words)


def collate(processor: Qwen3ASRProcessor, examples: Sequence[Example], *, alone: bool) -> BatchFeature:
    """Model inputs with labels on the answers.

    `alone`: features as a request of its own would have them (the mel frames after a clip's end differ).
    """
    audio = [example.clip.samples for example in examples]
    prompts = processor.apply_transcription_request(
        audio,
        language=[example.language for example in examples],
        prompt=[example.context for example in examples],
        tokenize=False,
    )
    texts = [prompt + example.answer for prompt, example in zip(prompts, examples, strict=True)]
    inputs = processor(text=texts, audio=audio)
    if alone:
        inputs["input_features"] = features_alone(processor, [example.clip for example in examples], inputs)
    labels = torch.full_like(inputs["input_ids"], IGNORED_LABEL)
    weights = torch.ones(labels.shape)
    for row, example in enumerate(examples):
        encoded = processor.tokenizer(example.answer, return_offsets_mapping=True)
        labels[row, -len(encoded.input_ids) :] = torch.tensor(encoded.input_ids)  # padding is on the left
        weights[row, -len(encoded.input_ids) :] = token_weights(example.answer, encoded.offset_mapping)
    inputs["labels"], inputs["label_weights"] = labels, weights
    return inputs


def replace_tokens(inputs: BatchFeature, share: float, rng: random.Random) -> None:
    """Puts other tokens of the batch's answers in a `share` of the places of `inputs`, and leaves the labels right.

    So the next token depends less on those before it, and one that is wrong does not spoil all that follow.
    """
    places = (inputs["labels"] != IGNORED_LABEL).nonzero().tolist()
    chosen = [place for place in places if rng.random() < share]
    for (row, position), (other_row, other) in zip(chosen, rng.choices(places, k=len(chosen)), strict=True):
        inputs["input_ids"][row, position] = inputs["labels"][other_row, other]


def token_weights(answer: str, offsets: Sequence[tuple[int, int]]) -> torch.Tensor:
    """(tokens,) of an answer whose tokens stand at `offsets`."""
    names = [name.span() for name in corpus_names.names_in(answer)]
    named = [any(start < end_of and end > start_of for start_of, end_of in names) for start, end in offsets]
    return torch.where(torch.tensor(named), NAME_WEIGHT, 1.0)


def features_alone(processor: Qwen3ASRProcessor, clips: Sequence[Clip], inputs: BatchFeature) -> torch.Tensor:
    """The features of `inputs`, each clip's computed without the others."""
    features = torch.zeros_like(inputs["input_features"])
    for row, clip in enumerate(clips):
        own = processor.feature_extractor([clip.samples], sampling_rate=SAMPLE_RATE_HZ, padding=True).input_features
        features[row, :, : own.shape[-1]] = own[0]
    return features


def frame_targets(processor: Qwen3ASRProcessor, spans: Sequence[Span], num_frames: int) -> torch.Tensor:
    """The token spoken at each audio frame (num_frames,), as if a word's letters took equally long; pads in silence."""
    frame = torch.arange(num_frames)
    position = (frame // FRAMES_PER_S + (frame % FRAMES_PER_S + 0.5) * FRAME_S) * SAMPLE_RATE_HZ
    targets = torch.full((num_frames,), processor.audio_token_id)
    for span in spans:
        encoded = processor.tokenizer(span.text, return_offsets_mapping=True)
        ends = torch.tensor([end for _, end in encoded.offset_mapping], dtype=torch.float64)
        spoken = (position >= span.heard) & (position < span.heard_end)
        letters = torch.from_numpy(span.letters_at(position[spoken].numpy()))
        targets[spoken] = torch.tensor(encoded.input_ids)[torch.searchsorted(ends, letters, right=True)]
    return targets


def training_loss(
    processor: Qwen3ASRProcessor,
    model: Qwen3ASRForConditionalGeneration,
    inputs: BatchFeature,
    examples: Sequence[Example],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropies of the answers, and of the audio embeddings read as the tokens spoken about then.

    `inputs` are the `examples` as `collate` gives them.
    """
    labels, weights = inputs.pop("labels"), inputs.pop("label_weights")
    outputs = model(**inputs, use_cache=False)
    answer_loss = weighted_loss(outputs.logits[:, :-1], labels[:, 1:], weights[:, 1:])
    num_frames = (inputs["input_ids"] == processor.audio_token_id).sum(-1).tolist()
    targets = [
        frame_targets(processor, example.clip.spans, count) for example, count in zip(examples, num_frames, strict=True)
    ]
    frame_loss = functional.cross_entropy(model.lm_head(outputs.audio_hidden_states), torch.cat(targets))
    return answer_loss, frame_loss


def weighted_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The weighted mean of the cross entropies of (rows, time) labels."""
    losses = functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=IGNORED_LABEL)
    weights = weights * (labels != IGNORED_LABEL)
    return (losses * weights).sum() / weights.sum()
