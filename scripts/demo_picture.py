"""The README's picture of what `make demo` makes, from its results:

.venv/bin/qwen demo --json --out out > out/demo.json
.venv/bin/python -m scripts.demo_picture out/demo.json docs/images/demo.png
"""

import json
import sys
import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import soundfile
from matplotlib.axes import Axes
from PIL import Image

WIDTH_INCHES, HEIGHT_INCHES, DPI = 9.0, 2.8, 110
CAPTION_CHARS = 46


def main(results: Path, file: Path) -> None:
    """Write a PNG `file`: the picture that was drawn, and the waveform of the reply, each with its words."""
    drawn, answered, *_ = json.loads(results.read_text())
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH_INCHES, HEIGHT_INCHES), width_ratios=(1, 2.2), layout="constrained"
    )
    left.imshow(Image.open(results.parent / "picture.png"), interpolation="nearest")
    _caption(left, f"{drawn['given']}: {drawn['made'].partition(' → ')[0]}", CAPTION_CHARS // 2 + 6)
    samples, rate_hz = soundfile.read(results.parent / "reply.wav")
    right.plot(np.arange(len(samples)) / rate_hz, samples, linewidth=0.4, color="tab:blue")
    right.set_xlabel("seconds")
    reply = answered["made"].partition(" → ")[0]
    _caption(right, f"{answered['given']}\nreply.wav: {reply}", 2 * CAPTION_CHARS)
    left.set_axis_off()
    right.set_yticks([])
    right.spines[["top", "left", "right"]].set_visible(False)
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, dpi=DPI)


def _caption(axes: Axes, text: str, width: int) -> None:
    lines = [piece for line in text.splitlines() for piece in textwrap.wrap(line, width)]
    axes.set_title("\n".join(lines), fontsize=9, loc="left")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
