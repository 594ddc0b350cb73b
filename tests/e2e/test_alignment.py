"""When words are said, through the SDK and a real Triton."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from demo.training import corpus, corpus_chinese
from demo.training.asr_data import CHINESE, ENGLISH, SAMPLE_RATE_HZ, english_voice, mandarin_voice, speak
from demo.training.clips import Clip, quiet_clip
from demo.training.word_times import timed_words
from qwen_client import InvalidRequest

PUNCTUATION = ".,?!。，？！"
SPOKEN = {ENGLISH: (corpus.sentence, english_voice), CHINESE: (corpus_chinese.sentence, mandarin_voice)}


def text_of(audio, name: str) -> str:
    return (audio / f"{name}.txt").read_text().strip()


def check_words(words, duration_s: float) -> None:
    times = [time for word in words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= duration_s


def test_words_of_a_known_text(client, audio):
    text = text_of(audio, "message")
    aligned = client.asr.align(audio / "message.wav", text, language="English")
    assert " ".join(word.text for word in aligned.words) == text
    assert (aligned.language, aligned.finish_reason) == ("English", "stop")
    check_words(aligned.words, aligned.duration_s)
    assert aligned.words[0].start_s < 0.3 * aligned.duration_s < 0.7 * aligned.duration_s < aligned.words[-1].end_s
    assert [cue.text.replace("\n", " ") for cue in aligned.cues] == [text]


def test_requests_that_meet_in_a_batch_get_their_own_answers(client, audio):
    names = ["request", "message"] * 4
    with ThreadPoolExecutor(len(names)) as pool:
        aligned = list(pool.map(lambda name: client.asr.align(audio / f"{name}.wav", text_of(audio, name)), names))
    for name, one in zip(names, aligned, strict=True):
        assert one.words == client.asr.align(audio / f"{name}.wav", text_of(audio, name)).words


def test_characters(client, audio):
    text = text_of(audio, "request")
    aligned = client.asr.align(audio / "request.wav", text, timestamps="char")
    assert "".join(word.text for word in aligned.words) == text.replace(" ", "")
    check_words(aligned.words, aligned.duration_s)


def test_the_chain_and_the_recogniser_tell_the_same(client, audio):
    """`aligned_transcript` aligns the whole recording, `timestamps="word"` each piece of it: here it is one."""
    both = client.chains.aligned_transcript(audio / "message.wav")
    timed = client.asr.transcribe(audio / "message.wav", timestamps="word")
    assert both.transcription.text == timed.text == text_of(audio, "message")
    assert both.alignment.words == timed.words
    assert both.alignment.cues == timed.cues


def unseen_clips(language: str, count: int, seed: int) -> list[Clip]:
    """Held-out sentences, each in a voice of its own; espeak-ng tells when it says each word."""
    draw, voice = SPOKEN[language]
    rng = random.Random(seed)
    said = corpus.sentences(count, seed=seed, held_out=True, draw=draw)
    return [quiet_clip([speak(sentence.text, voice(rng), language=language)], rng) for sentence in said]


@pytest.mark.parametrize("language", SPOKEN)
def test_the_chain_s_words_are_within_100_ms_of_the_truth(client, language):
    clips = unseen_clips(language, 24, seed=11)

    def heard(clip: Clip):
        return client.chains.aligned_transcript((clip.samples, SAMPLE_RATE_HZ)).alignment.words

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(heard, clips))
    truth = [[word for span in clip.spans for word in timed_words(span)] for clip in clips]
    # A word that is not recognised has no time to compare.
    same = [
        (words, meant)
        for words, meant in zip(found, truth, strict=True)
        if [word.text.lower().strip(PUNCTUATION) for word in words] == [word.text.lower() for word in meant]
    ]
    assert len(same) >= 20
    errors_s = np.abs(
        [
            (word.start_s - other.start_s, word.end_s - other.end_s)
            for words, meant in same
            for word, other in zip(words, meant, strict=True)
        ]
    )
    assert errors_s.mean() < 0.1
    assert np.quantile(errors_s, 0.85) < 0.1


def test_subtitles_by_words(client, audio, tmp_path):
    timed = client.asr.transcribe(audio / "message.wav", timestamps="word")
    timed.save(tmp_path / "message.srt")
    document = (tmp_path / "message.srt").read_text()
    assert "-->" in document
    assert all(word.text in document for word in timed.words)
    assert all(left.end_s <= right.start_s for left, right in pairwise(timed.cues))


def test_silence_has_no_words(client):
    silence = (np.zeros(16000, np.float32), 16000)
    both = client.chains.aligned_transcript(silence)
    assert (both.transcription.text, both.alignment.words, both.alignment.cues) == ("", (), ())
    with pytest.raises(InvalidRequest, match="AUDIO is silent"):
        client.asr.align(silence, "Good morning.")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("...", {}, r"TEXT is '\.\.\.': it has no word"),
        ("word " * 500, {}, "TEXT has 500 words"),
        ("صباح الخير", {"language": "ar"}, r"OPTIONS\.language is 'ar'; allowed: auto, Cantonese \(yue\)"),
    ],
)
def test_bad_requests_are_refused_by_name(client, audio, text, options, message):
    with pytest.raises(InvalidRequest, match=message):
        client.asr.align(audio / "message.wav", text, **options)
