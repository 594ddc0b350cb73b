"""The reference engine on the demo checkpoint, through the loop."""

import threading
from pathlib import Path

from qwen_engine.loop import EngineLoop
from qwen_engine.reference.image import ImageRequest, Picture, Progress, ReferenceImage
from qwen_engine.settings import ImageSettings
from tests.recorder import Recorder

CHECKPOINTS = Path(__file__).resolve().parents[2] / "demo" / "checkpoints"
WAIT_S = 60


def test_a_cancelled_picture_stops_at_the_next_step():
    settings = ImageSettings(checkpoint=str(CHECKPOINTS / "image"))
    loop = EngineLoop(ReferenceImage(settings), max_queue=4, max_wait_s=60)
    sessions = []
    ready = threading.Event()

    def cancel_after_two_steps(event: object) -> None:
        if isinstance(event, Progress) and event.step == 2:
            assert ready.wait(WAIT_S)
            sessions[0].cancel()

    sink = Recorder(cancel_after_two_steps)
    request = ImageRequest("a red circle", width=64, height=64, steps=8, true_cfg_scale=1.0)
    sessions += loop.submit([(request, sink)])
    ready.set()
    assert sink.done.wait(WAIT_S)
    loop.close(WAIT_S)
    assert sink.outcome() == "cancelled"
    assert sink.events == [Progress(1, 8), Progress(2, 8)]
    assert not any(isinstance(event, Picture) for event in sink.events)
