"""The spoken requests of `make demo`: held-out sentences by espeak-ng, written once to demo/audio/."""

from pathlib import Path

import soundfile

from demo.training.corpus import Scene, Sentence, written
from demo.training.speech import Voice, speak

AUDIO = Path(__file__).resolve().parents[1] / "audio"
SAMPLE_RATE_HZ = 16000

SCENE = Scene("yellow", "star", "small", "blue")
MESSAGE = "good morning, the meeting starts at nine o'clock tomorrow"
SPOKEN = {
    "request": (Sentence(written(f"please draw {SCENE.phrase()}"), SCENE.phrase(), SCENE), Voice("en-us+f2", 150, 55)),
    "message": (Sentence(written(MESSAGE), MESSAGE), Voice("en-gb+m3", 155, 45)),
}


def main() -> None:
    AUDIO.mkdir(exist_ok=True)
    for name, (sentence, voice) in SPOKEN.items():
        assert sentence.held_out, f"{sentence.text!r} is in the training set"
        samples = speak(sentence.text, voice, sample_rate_hz=SAMPLE_RATE_HZ)
        soundfile.write(AUDIO / f"{name}.wav", samples, SAMPLE_RATE_HZ, subtype="PCM_16")
        (AUDIO / f"{name}.txt").write_text(sentence.text + "\n")


if __name__ == "__main__":
    main()
