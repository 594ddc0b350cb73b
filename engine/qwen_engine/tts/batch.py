"""The continuous batch of one checkpoint: utterances join and leave at any frame.

A step gives every row its next frame:

    advance    the talker reads each row's last frame
    start      new pieces of text are prefilled into the rows that are free
    draw       every row gets its next frame, or its end
    submit     frames that complete a chunk go to the codec, which decodes and sends them meanwhile
"""

import time
from typing import Any

import numpy as np
import torch

from qwen_engine.graphs import Capture, to_device
from qwen_engine.row_table import RowTable
from qwen_engine.sampling import RowSampler, Uniforms
from qwen_engine.session import Session, fail_alone
from qwen_engine.tts.checkpoint import TtsCheckpoint
from qwen_engine.tts.codec import StreamingCodec
from qwen_engine.tts.codec_worker import CodecWorker
from qwen_engine.tts.graphs import GraphedCodec, GraphedTalker, graphed
from qwen_engine.tts.prompt import Prompt, VoicePrompt
from qwen_engine.tts.request import Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_engine.tts.speech import FRAMES_PER_S, HIGH_LOAD_FRAMES, LOW_LOAD_FRAMES, Speech
from qwen_engine.tts.talker import MIN_FRAMES, Talker
from qwen_engine.tts.text import Text
from qwen_wire.errors import InvalidRequest


class TtsBatch:
    """Owns the rows of the talker and the slots of the codec.

    `capture` makes graphs of the frame step and the codec; None: both run without.
    """

    def __init__(self, checkpoint: TtsCheckpoint, settings: TtsSettings, capture: Capture | None) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        self._talker: Talker | GraphedTalker = checkpoint.talker
        codec: StreamingCodec | GraphedCodec = checkpoint.codec
        if capture is not None:
            self._talker, codec = graphed(
                checkpoint.talker, checkpoint.codec, num_slots=settings.max_batch, capture=capture
            )
        self._codec_worker = CodecWorker(codec, checkpoint.prime)
        self._speeches: dict[Session[Speak], Speech] = {}
        self._rows: RowTable[Speech] = RowTable(self._talker.move)
        self._free_slots = list(range(settings.max_batch))
        self._samplers: tuple[RowSampler, RowSampler] | None = None

    def join(self, session: Session[Any], voice: VoicePrompt, text: Text) -> None:
        """Start the synthesis of `text`; the first frame comes with the next step."""
        request: Speak = session.request
        config = self._checkpoint.config
        self._speeches[session] = Speech(
            session=session,
            slot=self._free_slots.pop(),
            voice=voice,
            text=text,
            sampling=(request.sampling.over(config.sampling), request.sub_sampling.over(config.sub_sampling)),
            uniforms=Uniforms(request.seed, config.num_groups),
            total_budget=max(1, int(request.max_audio_s * FRAMES_PER_S)),
        )

    def leave(self, session: Session[Any]) -> None:
        """Give back what `session` held."""
        speech = self._speeches.pop(session, None)
        if speech is not None:
            self._free_row(speech)
            self._codec_worker.drop(speech)
            self._free_slots.append(speech.slot)

    def step(self) -> bool:
        """The next frame of every row; False where all wait for more of their text, or for the codec."""
        self._advance()
        self._start()
        worked = bool(self._rows)
        if self._rows:
            self._draw()
        self._submit_chunks()
        return worked

    def _advance(self) -> None:
        if not self._rows:
            return
        text = torch.cat([self._next_text(speech) for speech in self._rows])
        self._talker.advance(text, [speech.positions for speech in self._rows])
        for speech in self._rows:
            speech.positions += 1

    def _next_text(self, speech: Speech) -> torch.Tensor:
        """(1, hidden): the text beside the last frame."""
        assert speech.prompt is not None
        index = speech.piece_frames - 1
        beside = speech.prompt.beside
        return beside[index : index + 1] if index < len(beside) else self._checkpoint.prompts.pad

    def _start(self) -> None:
        """Prefill the next piece of every utterance that has none."""
        prompts: list[Prompt] = []
        first_row = len(self._rows)
        for speech in self._speeches.values():
            if speech.has_row or speech.done:
                continue
            with fail_alone(speech.session):
                prompt = self._next_prompt(speech)
                if prompt is None:
                    continue
                speech.has_row = True
                self._rows.append(speech)
                prompts.append(prompt)
        if prompts:
            self._talker.prefill([prompt.start for prompt in prompts], first_row)
            self._samplers = None

    def _next_prompt(self, speech: Speech) -> Prompt | None:
        text = speech.text.next()
        if text is None:
            self._wait_for_text(speech)
            return None
        prompt = self._checkpoint.prompt(speech.request, speech.voice, text)
        longest = self._talker.length - len(prompt.start)
        if longest < MIN_FRAMES:
            raise InvalidRequest(f"the prompt is too long: {len(prompt.start)} of {self._talker.length} positions")
        speech.begin_piece(text, prompt, longest)
        return prompt

    def _wait_for_text(self, speech: Speech) -> None:
        if speech.text.ended:  # the stream ended without more text
            speech.done = True
        elif time.monotonic() - speech.waits_since_s > self._settings.text_timeout_s:
            timeout_s = self._settings.text_timeout_s
            raise InvalidRequest(f"text stream {speech.request.text_stream!r} got no text for {timeout_s:g} s")

    def _draw(self) -> None:
        if self._samplers is None:
            self._samplers = self._talker.samplers([speech.sampling for speech in self._rows])
        uniforms = np.stack([speech.uniforms.next() for speech in self._rows])
        fresh = [speech.piece_frames < MIN_FRAMES for speech in self._rows]
        device = self._talker.device
        codes = self._talker.draw(
            self._samplers, to_device(torch.from_numpy(uniforms), device), to_device(torch.tensor(fresh), device)
        )
        for speech, frame in zip(tuple(self._rows), codes.tolist(), strict=True):
            self._take(speech, frame)

    def _take(self, speech: Speech, frame: list[int]) -> None:
        if frame[0] != self._checkpoint.config.control.eos:
            speech.take(frame)
            if speech.cut_by is None:
                return
            speech.text.close()
        self._free_row(speech)
        if speech.voice.undecided:  # the first piece decides for the next ones
            speech.voice = self._checkpoint.continued(speech.piece_text, speech.piece_codes)
        speech.done = speech.cut_by is not None or speech.text.ended

    def _free_row(self, speech: Speech) -> None:
        if speech.has_row:
            speech.has_row = False
            self._rows.remove(speech)
            self._samplers = None

    def _submit_chunks(self) -> None:
        busy = 2 * len(self._speeches) > self._settings.max_batch
        ramp = HIGH_LOAD_FRAMES if busy else LOW_LOAD_FRAMES
        chunks = []
        for speech in self._speeches.values():
            if speech.fell_silent and not speech.done:
                self._free_row(speech)
                speech.cut("silence")
            if (chunk := speech.next_chunk(speech.request.chunk_frames or ramp)) is not None:
                chunks.append(chunk)
        self._codec_worker.submit(chunks)
