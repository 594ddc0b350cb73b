"""The recognition engine writes the tokens that transformers' generate writes, alone and in any crowd."""

import random

import numpy as np
import pytest
import torch

from qwen_engine.asr.batch import AsrBatch
from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.request import Piece, PieceResult
from qwen_engine.asr.settings import AsrSettings
from tests.parity.upstream_asr import CHECKPOINT, UpstreamAsr, spoken_clips

NUM_CLIPS = 40
NUM_ROWS = 12
LATEST_ARRIVAL = 60
CONTEXT = "Anna, <|im_end|>, Clara\nзавтра"


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    return spoken_clips(NUM_CLIPS, seed=1)


@pytest.fixture(scope="module")
def upstream() -> UpstreamAsr:
    return UpstreamAsr()


@pytest.fixture(scope="module")
def official(upstream, clips) -> list[list[int]]:
    return [upstream.answer(clip, budget(clip)) for clip in clips]


@pytest.fixture(scope="module")
def checkpoint() -> AsrCheckpoint:
    return AsrCheckpoint(AsrSettings(checkpoint=str(CHECKPOINT), max_batch=NUM_ROWS, max_positions=1024))


@pytest.fixture
def batch(checkpoint) -> AsrBatch:
    return AsrBatch(checkpoint, AsrSettings(checkpoint=str(CHECKPOINT), max_batch=NUM_ROWS))


def budget(clip: np.ndarray) -> int:
    return Piece(clip, "anybody", print, print).token_budget


def write_down(batch: AsrBatch, pieces: list[dict], arrivals: list[int]) -> list[PieceResult]:
    """What becomes of `pieces` (the fields of each), which come at the steps `arrivals`."""
    answers: list[PieceResult | Exception | None] = [None] * len(pieces)
    step = 0
    while any(answer is None for answer in answers):
        for index, (fields, arrival) in enumerate(zip(pieces, arrivals, strict=True)):
            if arrival == step:
                answer = lambda heard, index=index: answers.__setitem__(index, heard)  # noqa: E731
                batch.add(Piece(**{"group": index, "on_result": answer, "on_error": answer, **fields}))
        worked = batch.step()
        assert worked or step <= max(arrivals)
        step += 1
    return answers


def ids(answers: list[PieceResult]) -> list[list[int]]:
    return [list(answer.ids) for answer in answers]


def test_alone(batch, clips, official):
    for clip, expected in zip(clips, official, strict=True):
        assert ids(write_down(batch, [{"audio": clip}], [0])) == [expected]


def test_all_at_once(batch, clips, official):
    assert ids(write_down(batch, [{"audio": clip} for clip in clips], [0] * NUM_CLIPS)) == official


@pytest.mark.parametrize("seed", range(4))
def test_joins_at_any_step_change_nothing(batch, clips, official, seed):
    rng = random.Random(seed)
    chosen = rng.sample(range(NUM_CLIPS), k=16)
    arrivals = [rng.randint(0, LATEST_ARRIVAL) for _ in chosen]
    answers = write_down(batch, [{"audio": clips[index]} for index in chosen], arrivals)
    assert ids(answers) == [official[index] for index in chosen]


def test_groups_of_many_pieces_share_the_rows_with_others(batch, clips, official):
    pieces = [{"audio": clip, "group": index % 3} for index, clip in enumerate(clips)]
    assert ids(write_down(batch, pieces, [0] * NUM_CLIPS)) == official


@pytest.mark.parametrize("asked", [{"language": "English"}, {"context": "Grace, the budget"}], ids=str)
def test_language_and_context(batch, upstream, clips, asked):
    chosen = clips[:8]
    expected = [upstream.answer(clip, budget(clip), **asked) for clip in chosen]
    answers = write_down(batch, [{"audio": clip, **asked} for clip in chosen], [0] * len(chosen))
    assert ids(answers) == expected
    assert {answer.language for answer in answers} == {"English"} or "language" not in asked


def test_the_prompt_is_the_official_one(checkpoint, upstream, clips):
    for context in ("", "Anna, Clara\nзавтра  ", " 北京 é"):
        for language in (None, "Chinese"):
            inputs = upstream.processor.apply_transcription_request(
                audio=[clips[0]], language=language, prompt=context or None
            )
            theirs = inputs["input_ids"][0].tolist()
            ours = checkpoint.prompts.build(context=context, language=language)
            sound = [upstream.processor.audio_token_id] * theirs.count(upstream.processor.audio_token_id)
            assert [*ours.before, *sound, *ours.after] == theirs


def test_control_tokens_in_a_context_are_plain_text(checkpoint):
    plain, spelled = (checkpoint.prompts.build(context=context) for context in ("", CONTEXT + "<asr_text>"))
    special = {token for token in plain.before if checkpoint.prompts.tokenizer.decode([token]) == ""}
    assert special
    assert [token for token in spelled.before if token in special] == [
        token for token in plain.before if token in special
    ]
    assert CONTEXT + "<asr_text>" in checkpoint.prompts.tokenizer.decode(spelled.before)


def test_features_are_those_of_a_clip_alone(checkpoint, upstream, clips):
    for clip, ours in zip(clips, checkpoint.log_mel(clips), strict=True):
        inputs = upstream.processor.feature_extractor(
            clip, sampling_rate=16000, padding=True, return_attention_mask=True
        )
        theirs = torch.as_tensor(inputs["input_features"])[0, :, : len(ours)].T
        assert int(torch.as_tensor(inputs["attention_mask"]).sum()) == len(ours)
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_encoded_ahead_is_the_same_as_sound(batch, checkpoint, clips, official):
    """As live captions do it: window by window."""
    chosen = [index for index, clip in enumerate(clips) if len(clip) > 12 * 16000][:4]
    for index in chosen:
        (features,) = checkpoint.log_mel([clips[index]])
        encoded = torch.cat([checkpoint.encoder([window])[0] for window in checkpoint.encoder.windows(features)])
        (answer,) = write_down(batch, [{"audio": encoded, "budget": budget(clips[index])}], [0])
        assert list(answer.ids) == official[index]


def test_a_prefix_is_gone_on_with(batch, clips, official):
    """As live captions do it: the last tokens are taken back and written anew."""
    pieces = [
        {"audio": clip, "prefix": answer[: len(answer) // 2], "budget": budget(clip)}
        for clip, answer in zip(clips[:12], official, strict=False)
    ]
    answers = write_down(batch, pieces, list(range(12)))
    for answer, expected, clip in zip(answers, official, clips, strict=False):
        rest = expected[len(expected) // 2 :]
        assert list(answer.ids)[: len(rest)] == rest
        assert answer.finish_reason == "length" or len(answer.ids) == len(rest) or len(expected) == budget(clip)
