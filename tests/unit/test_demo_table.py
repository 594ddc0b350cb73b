"""What `qwen demo` prints fits into a terminal of 80 columns: no path is broken."""

import pytest

from qwen_server.demo import Step, print_steps

STEPS = [
    Step(
        "speech → text → picture",
        "request.wav",
        "“please draw a large green star on a white background” → out/picture.png",
        0.31,
        "demo/checkpoints/asr, demo/checkpoints/image",
    ),
    Step(
        "speech → chat → speech",
        "message.wav: “Good morning, the task is done by Ben today.”",
        "“Good morning. The task is done by Ben today.” → out/reply.wav, first sound after 0.24 s",
        1.2,
        "demo/checkpoints/asr, demo/checkpoints/chat, demo/checkpoints/tts",
    ),
]


def test_paths_are_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_steps(STEPS)
    printed = capsys.readouterr().out
    paths = ("request.wav", "out/picture.png", "out/reply.wav", *(step.checkpoint for step in STEPS))
    assert [path for path in paths if path not in printed] == []
    table = [line for line in printed.splitlines() if line[:1] in "┃│┏┡└"]
    assert max(map(len, table)) <= 80
