"""The image engine's manners: who steps when, what is told, what is refused, and that a failure stays alone."""

import dataclasses
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qwen_engine.image.checkpoint import ImageCheckpoint
from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.prompts import PromptEncoder
from qwen_engine.image.request import ImageRequest, Picture, Progress, Queued
from qwen_engine.image.settings import ImageSettings, Preset
from qwen_engine.loop import EngineLoop
from qwen_engine.session import Session
from qwen_wire.errors import InvalidRequest, ServerError
from tests.image_checkpoints import BASE, make_edit_checkpoint
from tests.parity.image_cases import left_half, make_engine, picture
from tests.recorder import Recorder, run, submit

WAIT_S = 60
PRESETS = {"fast": Preset(steps=2, true_cfg_scale=1.0, scheduler="lightning", lora=None)}


@pytest.fixture(scope="module")
def engine() -> ImageEngine:
    return make_engine(presets=PRESETS, max_prompt_tokens=64)


@pytest.fixture
def edit_checkpoint(tmp_path) -> Path:
    return make_edit_checkpoint(tmp_path / "edit", "edit-plus", zero_cond_t=True)


@pytest.fixture
def loop(engine: ImageEngine) -> Iterator[EngineLoop[ImageRequest]]:
    running = EngineLoop(engine, max_queue=32, max_wait_s=WAIT_S)
    yield running
    running.close(WAIT_S)


def pixels(sink: Recorder) -> np.ndarray:
    (event,) = [event for event in sink.events if isinstance(event, Picture)]
    return np.asarray(event.image)


def progress(sink: Recorder) -> list[Progress]:
    return [event for event in sink.events if isinstance(event, Progress)]


def test_every_step_is_told_and_the_picture_comes_last(engine):
    (sink,) = run(engine, ImageRequest("a red circle", steps=5))
    assert sink.outcome() == "stop"
    *steps, last = [event for event in sink.events if not isinstance(event, Queued)]
    assert [(event.picture, event.step, event.steps) for event in steps] == [(0, step, 5) for step in range(1, 6)]
    assert all(event.eta_s >= 0 and event.preview is None for event in steps)
    assert steps[-1].eta_s == 0
    assert isinstance(last, Picture)
    assert (last.seed, last.image.size, last.request.steps, last.request.true_cfg_scale) == (0, (64, 64), 5, 1.0)


def test_a_cancelled_picture_stops_at_the_next_step(engine, loop):
    sessions = []
    ready = threading.Event()

    def cancel_after_two_steps(event: object) -> None:
        if isinstance(event, Progress) and event.step == 2:
            assert ready.wait(WAIT_S)
            sessions[0].cancel()

    sink = Recorder(cancel_after_two_steps)
    sessions += loop.submit([(ImageRequest("a red circle", steps=8), sink)])
    ready.set()
    assert sink.outcome() == "cancelled"
    assert [event.step for event in progress(sink)] == [1, 2]


def test_after_a_cancel_the_next_pixels_are_unchanged(engine, loop):
    request = ImageRequest("a blue star", seed=4, steps=3, true_cfg_scale=2.0)
    expected = pixels(run(engine, request)[0])
    begun = threading.Event()
    company = Recorder(lambda event: begun.set() if isinstance(event, Progress) else None)
    (session,) = loop.submit([(ImageRequest("a red circle", steps=50), company)])
    assert begun.wait(WAIT_S)
    session.cancel()
    assert company.outcome() == "cancelled"
    (sink,), _ = submit(loop, [request])
    assert sink.outcome() == "stop"
    np.testing.assert_array_equal(pixels(sink), expected)


@pytest.mark.parametrize(
    ("max_mixed_tokens", "expected"), [(0, [(4,), (50,), (4,), (50,), (4,), (50,), (4,)]), (640, [(4, 50)] * 4)]
)
def test_four_steps_among_fifty_are_delayed_by_a_step_each_at_most(max_mixed_tokens, expected, monkeypatch):
    engine = make_engine(max_mixed_tokens=max_mixed_tokens)
    loop = EngineLoop(engine, max_queue=32, max_wait_s=WAIT_S)
    forwards: list[tuple[int, ...]] = []  # the number of steps of each row in it
    predict = engine.family.predict

    def recorded(canvases):
        forwards.append(tuple(sorted(canvas.steps for canvas in canvases)))
        return predict(canvases)

    monkeypatch.setattr(engine.family, "predict", recorded)
    begun = threading.Event()

    def join_after_five_steps(event: object) -> None:
        if isinstance(event, Progress) and event.step == 5:
            begun.set()

    large = ImageRequest("a large black square", width=128, height=128, steps=50)
    sink = Recorder(join_after_five_steps)
    loop.submit([(large, sink)])
    assert begun.wait(WAIT_S)
    (small,), _ = submit(loop, [ImageRequest("a red circle", steps=4)])
    assert small.outcome() == sink.outcome() == "stop"
    loop.close(WAIT_S)
    own = [number for number, steps in enumerate(forwards) if 4 in steps]
    assert forwards[own[0] : own[-1] + 1] == expected


def test_pictures_that_are_sent_are_held_within_a_limit():
    engine = make_engine(max_held_pixels=3 * 64 * 64)
    given = ImageRequest("a red circle", task="vary", strength=0.5, images=(Image.new("RGB", (128, 64)),), steps=2)
    first, second, third = run(engine, given, given, ImageRequest("a red circle", steps=2))
    assert [first.outcome(), third.outcome()] == ["stop", "stop"]
    assert "pictures of 8192 pixels are being worked on, and the limit is 12288" in str(second.outcome())
    masked = dataclasses.replace(given, task="inpaint", images=(Image.new("RGB", (64, 64)),), mask=left_half())
    first, second = run(engine, masked, masked)  # whose results are held, too
    assert first.outcome() == "stop"
    assert "pictures of 8192 pixels are being" in str(second.outcome())
    (alone,) = run(engine, dataclasses.replace(given, images=(Image.new("RGB", (256, 128)),)))
    assert alone.outcome() == "stop"


def test_the_end_tells_what_was_not_heard_of_a_spoken_prompt(engine):
    wrong = {"finish_reason": "length"}
    heard, typed = run(engine, ImageRequest("a ring", steps=2, heard=wrong), ImageRequest("a ring", steps=2))
    assert heard.closing["heard"] == wrong
    assert "heard" not in typed.closing


def test_those_that_wait_are_told_their_position(monkeypatch):
    engine = make_engine(max_step_tokens=1)  # one row a step
    begin, told = engine.family.begin, threading.Event()

    def held(request):
        """No row is ready before the last one was told its position."""
        assert told.wait(WAIT_S)
        return begin(request)

    monkeypatch.setattr(engine.family, "begin", held)
    sinks = [Recorder(), Recorder(), Recorder(lambda _: told.set())]
    requests = [ImageRequest(f"{count} circles", steps=2) for count in ("two", "three", "four")]
    loop = EngineLoop(engine, max_queue=32, max_wait_s=WAIT_S)
    loop.submit(list(zip(requests, sinks, strict=True)))
    for sink in sinks:
        assert sink.outcome() == "stop"
    loop.close(WAIT_S)
    positions = [[event.position for event in sink.events if isinstance(event, Queued)] for sink in sinks]
    assert positions[2][:1] == [2]
    assert positions[2] == sorted(positions[2], reverse=True)
    for sink in sinks:
        kinds = [type(event) for event in sink.events]
        assert Queued not in kinds[kinds.index(Progress) :]


def test_a_request_that_fails_takes_no_mate_with_it(engine, monkeypatch, caplog):
    mates = [ImageRequest("a red circle", seed=1, steps=4), ImageRequest("a green ring", seed=2, steps=6)]
    expected = [pixels(run(engine, mate)[0]) for mate in mates]
    predict = engine.family.predict

    def unlucky(canvases):
        if any(canvas.steps == 13 and canvas.step == 2 for canvas in canvases):
            raise RuntimeError("unlucky")
        return predict(canvases)

    monkeypatch.setattr(engine.family, "predict", unlucky)
    with caplog.at_level(logging.CRITICAL):
        failed, *sinks = run(engine, ImageRequest("a star", steps=13), *mates)
    assert isinstance(failed.outcome(), ServerError)
    for sink, alone in zip(sinks, expected, strict=True):
        assert sink.outcome() == "stop"
        assert np.abs(pixels(sink).astype(int) - alone.astype(int)).max() <= 1


@pytest.mark.parametrize("stage", ["begin", "decode"])
def test_a_failure_beside_the_steps_is_one_requests_own(engine, monkeypatch, stage):
    done, tried = getattr(engine.family, stage), []

    def unlucky(subject):
        """A request, or canvases."""
        several = subject if stage == "decode" else [subject]
        tried.append(len(several))
        if any(one.true_cfg_scale == 3.25 for one in several):
            raise RuntimeError("unlucky")
        return done(subject)

    mates = [ImageRequest("a red circle", steps=4, seed=seed) for seed in range(2)]
    expected = [pixels(sink) for sink in run(engine, *mates)]
    monkeypatch.setattr(engine.family, stage, unlucky)
    failed, *others = run(engine, ImageRequest("a star", steps=4, true_cfg_scale=3.25), *mates)
    assert isinstance(failed.outcome(), ServerError)
    for sink, alone in zip(others, expected, strict=True):
        assert sink.outcome() == "stop"
        assert np.abs(pixels(sink).astype(int) - alone.astype(int)).max() <= 1
    assert (max(tried) > 1) == (stage == "decode")


def test_a_request_that_is_long_in_preparing_delays_nobody(engine, monkeypatch):
    running = Session(engine.prepare(ImageRequest("a red circle", steps=8)), drawn := Recorder())
    slow = Session(engine.prepare(ImageRequest("a slow star", steps=8)), Recorder())
    begin, may_begin = engine.family.begin, threading.Event()

    def slowly(request):
        assert request.prompt != "a slow star" or may_begin.wait(WAIT_S)
        return begin(request)

    monkeypatch.setattr(engine.family, "begin", slowly)
    while not progress(drawn):
        engine.step([running])
    for step in range(2, 9):  # one each time, though the other is not ready
        engine.step([running, slow])
        assert progress(drawn)[-1].step == step
    may_begin.set()
    for session in (running, slow):
        session.finish("cancelled")
        engine.retire(session)


def test_previews_come_as_often_as_asked_and_show_what_is_coming(engine):
    request = ImageRequest("a large yellow square on a blue background", steps=8, preview_every=3)
    (sink,) = run(engine, request)
    previews = {event.step: event.preview for event in progress(sink) if event.preview is not None}
    assert list(previews) == [3, 6]
    small = np.asarray(Image.fromarray(pixels(sink)).resize((8, 8), Image.Resampling.BOX)).astype(int)
    assert previews[6].size == (8, 8)
    assert np.abs(np.asarray(previews[6]).astype(int) - small).mean() < 40
    np.testing.assert_array_equal(pixels(sink), pixels(run(engine, ImageRequest(request.prompt, steps=8))[0]))


def test_without_a_map_previews_are_refused(tmp_path):
    folder = shutil.copytree(BASE, tmp_path / "image", ignore=shutil.ignore_patterns("preview.safetensors"))
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.preview_every .*preview\.safetensors"):
        make_engine(checkpoint=str(folder)).prepare(ImageRequest("a star", preview_every=2))


def test_prompts_that_were_used_last_are_not_encoded_again():
    checkpoint = ImageCheckpoint(BASE, ImageSettings(checkpoint=str(BASE)))
    prompts = PromptEncoder(checkpoint, "cpu", max_cached=2)
    calls: list[None] = []
    checkpoint.pipeline.text_encoder.register_forward_hook(lambda *_: calls.append(None))
    first = prompts.encode("one", "a star")
    prompts.encode("one", "a ring")
    assert prompts.encode("one", "a star") is first
    assert len(calls) == 2
    prompts.encode("one", "a cross")  # the ring, used longest ago, makes room
    assert prompts.encode("one", "a star") is first
    prompts.encode("one", "a ring")
    assert len(calls) == 4


def test_prompts_on_other_pictures_are_other_prompts(edit_checkpoint):
    checkpoint = ImageCheckpoint(edit_checkpoint, ImageSettings(checkpoint=str(BASE)))
    prompts = PromptEncoder(checkpoint, "cpu", max_cached=4)
    red, blue = (prompts.encode("one", "make it green", [picture(colour)]) for colour in ("red", "blue"))
    assert not red.equal(blue)
    assert prompts.encode("one", "make it green", [picture("red")]) is red


def test_what_one_tenant_has_asked_for_makes_no_other_s_picture_quicker():
    checkpoint = ImageCheckpoint(BASE, ImageSettings(checkpoint=str(BASE)))
    prompts = PromptEncoder(checkpoint, "cpu", max_cached=8)
    encoded: list[int] = []
    checkpoint.pipeline.text_encoder.register_forward_hook(lambda *call: encoded.append(len(call[-1].logits)))
    first = prompts.encode("one", "a star")
    assert prompts.encode("two", "a star").equal(first)
    assert len(encoded) == 2
    with prompts.together([("one", "a ring"), ("two", "a ring"), ("two", "a star"), ("two", "a ring")]):
        assert encoded[2:] == [2]  # those that come together, too: each tenant's for itself
        prompts.encode("one", "a ring"), prompts.encode("two", "a ring")
    assert len(encoded) == 3


def test_what_an_edit_checkpoint_has_in_common_with_the_base_is_loaded_once(edit_checkpoint):
    settings = ImageSettings(checkpoint=str(BASE))
    base = ImageCheckpoint(BASE, settings)
    edit = ImageCheckpoint(edit_checkpoint, settings, other=base)
    assert edit.pipeline.vae is not base.pipeline.vae  # saved in another precision
    assert edit.preview_folder == edit_checkpoint
    shutil.rmtree(edit_checkpoint / "vae")
    (edit_checkpoint / "vae").symlink_to(BASE / "vae")
    shutil.rmtree(edit_checkpoint / "text_encoder")
    shutil.copytree(BASE / "text_encoder", edit_checkpoint / "text_encoder")
    edit = ImageCheckpoint(edit_checkpoint, settings, other=base)
    assert edit.pipeline.vae is base.pipeline.vae
    assert edit.preview_folder == BASE
    assert edit.pipeline.text_encoder is base.pipeline.text_encoder
    assert edit.transformer is not base.transformer


@pytest.mark.parametrize("size", [{}, {"width": 96, "height": 48}], ids=["its own size", "another size"])
def test_an_edit_with_a_mask_leaves_the_rest_as_it_was(edit_checkpoint, size):
    """On an Edit-Plus checkpoint, for which upstream has no pipeline with a mask."""
    images, mask = (picture("red", (131, 67)), picture("blue")), left_half((131, 67))
    request = ImageRequest("make it green", "edit", seed=2, steps=3, images=images, mask=mask, **size)
    (sink,) = run(make_engine(edit_checkpoint), request)
    drawn = pixels(sink)
    assert drawn.shape == ((48, 96, 3) if size else (67, 131, 3))
    given = np.asarray(images[0].resize((drawn.shape[1], drawn.shape[0]), Image.Resampling.LANCZOS))
    half = drawn.shape[1] // 2
    np.testing.assert_array_equal(drawn[:, half:], given[:, half:])
    assert not np.array_equal(drawn[:, :half], given[:, :half])


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    shape = (size[1], size[0], len(mode))
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize("size", [(250, 187), (33, 15), (64, 64), (601, 399)])  # the last one is reduced for the model
def test_inpainting_keeps_every_pixel_outside_the_mask_at_any_size(engine, size):
    given, mask = noise(size), Image.new("L", size)
    mask.paste(255, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    mask.paste(127, (0, 0, size[0] // 4, size[1] // 4))  # darker than half: not to be changed
    request = ImageRequest("a ring", "inpaint", seed=3, steps=3, num_images=2, images=(given,), mask=mask)
    (sink,) = run(engine, dataclasses.replace(request, preview_every=1))
    assert sink.outcome() == "stop"
    first, second = (np.asarray(event.image) for event in sink.events if isinstance(event, Picture))
    inside = np.asarray(mask) >= 128
    for drawn in (first, second):
        np.testing.assert_array_equal(drawn[~inside], np.asarray(given)[~inside])
        assert (drawn[inside] != np.asarray(given)[inside]).any(axis=-1).mean() > 0.9
    assert not np.array_equal(first, second)
    assert any(event.preview is not None for event in progress(sink))


def test_outside_the_mask_transparency_stays_and_inside_there_is_none(engine):
    size = (50, 37)
    original, mask = noise(size, "RGBA"), left_half(size)
    request = ImageRequest("a ring", "inpaint", steps=2, images=(original.convert("RGB"),), mask=mask)
    drawn = pixels(run(engine, dataclasses.replace(request, original=original))[0])
    np.testing.assert_array_equal(drawn[:, 25:], np.asarray(original)[:, 25:])
    assert (drawn[:, :25, 3] == 255).all()
    everywhere = Image.new("L", size, 255)
    assert pixels(run(engine, dataclasses.replace(request, original=original, mask=everywhere))[0]).shape[-1] == 3


def test_a_mask_that_is_black_everywhere_changes_nothing(engine):
    given = noise((50, 37))
    request = ImageRequest("a ring", "inpaint", steps=2, images=(given,), mask=Image.new("L", given.size))
    np.testing.assert_array_equal(pixels(run(engine, request)[0]), np.asarray(given))


@pytest.mark.parametrize(
    ("field", "message"), [("checkpoint", "is an edit checkpoint"), ("edit_checkpoint", "is no edit")]
)
def test_a_checkpoint_in_the_wrong_place_stops_the_start(field, message, edit_checkpoint):
    folders = {"checkpoint": edit_checkpoint, "edit_checkpoint": BASE}
    with pytest.raises(ValueError, match=message):
        make_engine(**{field: str(folders[field])})


NO_PICTURE = r"IMAGE is empty"
SQUARE = (picture("red"),)
REFUSED = [
    (ImageRequest("  "), r"PROMPT is empty"),
    (ImageRequest("a" * 4001), r"PROMPT has 4001 characters; the limit is 4000"),
    (ImageRequest("circle " * 90), r"PROMPT takes \d+ tokens with its frame; the limit is 64"),
    (ImageRequest("a star", negative_prompt="circle " * 90), r"OPTIONS\.negative_prompt takes \d+ tokens"),
    (ImageRequest("a star", width=65), r"OPTIONS\.width is 65; allowed: multiples of 16"),
    (ImageRequest("a star", height=8), r"OPTIONS\.height is 8; allowed"),
    (ImageRequest("a star", width=512), r"512 x 512 = 262144 pixels; the limit is 65536"),
    (ImageRequest("a star", steps=51), r"OPTIONS\.steps is 51; allowed: 2 to 50"),
    (ImageRequest("a star", steps=1), r"OPTIONS\.steps is 1; allowed: 2 to 50"),
    (ImageRequest("a star", num_images=0), r"OPTIONS\.n is 0; allowed: 1 to 8"),
    (ImageRequest("a star", num_images=9), r"OPTIONS\.n is 9; allowed: 1 to 8"),
    (ImageRequest("a star", true_cfg_scale=0.5), r"OPTIONS\.true_cfg_scale is 0\.5"),
    (ImageRequest("a star", preset="exact"), r"OPTIONS\.preset is 'exact'; allowed: fast"),
    (ImageRequest("a star", preview_every=0), r"OPTIONS\.preview_every is 0"),
    (ImageRequest("a star", lora="../secret"), r"OPTIONS\.lora is '\.\./secret'; allowed: none in this profile"),
    (ImageRequest("a star", strength=0.5), r"OPTIONS\.strength is 0\.5, but it counts for 'vary' or with a MASK"),
    (ImageRequest("a star", images=SQUARE), r"'generate', which draws from text alone"),
    (ImageRequest("a star", "vary"), NO_PICTURE),
    (ImageRequest("a star", "vary", images=SQUARE, mask=left_half()), r"'vary', which takes no MASK"),
    (ImageRequest("a star", "vary", images=SQUARE, strength=0.0), r"OPTIONS\.strength is 0; allowed: above 0"),
    (ImageRequest("a star", "vary", images=SQUARE, strength=1.5), r"OPTIONS\.strength is 1\.5; allowed"),
    (ImageRequest("a star", "vary", images=SQUARE * 2), r"IMAGE holds 2 pictures; .*up to 1"),
    (ImageRequest("a star", "inpaint"), NO_PICTURE),
    (ImageRequest("a star", "inpaint", images=SQUARE), r"MASK is empty"),
    (ImageRequest("a star", "inpaint", images=SQUARE, mask=left_half((64, 32))), r"MASK has 64 x 32 .* IMAGE 64 x 64"),
    (ImageRequest("make it red", "edit", images=SQUARE), r"no edit checkpoint; allowed: generate, vary, inpaint"),
]


@pytest.mark.parametrize(("request_", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_served_is_refused_by_name(engine, request_, message):
    with pytest.raises(InvalidRequest, match=message):
        engine.prepare(request_)
