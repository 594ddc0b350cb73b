"""The synthesis engine: requests join and leave at any frame, and hear their first sound after one.

A step gives every row its next frame, then decodes and sends what has become a chunk:

    advance   the talker reads each row's last frame
    start     new pieces of text are prefilled into the rows that are free
    draw      every row gets its next frame, or its end
    decode    chunks that are due go through the codec, those of equal length together
"""

from collections import defaultdict, deque
from collections.abc import Sequence

import numpy as np
import torch

from qwen_engine.errors import InvalidRequest
from qwen_engine.loop import Model, Session, fail_alone
from qwen_engine.sampling import RowSampler, Uniforms
from qwen_engine.settings import TtsSettings
from qwen_engine.tts.checkpoint import TtsCheckpoint
from qwen_engine.tts.prompt import Prompt
from qwen_engine.tts.request import TtsRequest
from qwen_engine.tts.sentences import pieces, pronounceable
from qwen_engine.tts.speech import FRAMES_PER_S, HIGH_LOAD_FRAMES, LOW_LOAD_FRAMES, Speech
from qwen_engine.tts.talker import MIN_FRAMES


class TtsEngine(Model[TtsRequest]):
    """A `Model` for the engine loop, over one checkpoint."""

    def __init__(self, settings: TtsSettings) -> None:
        torch.set_num_threads(settings.num_threads)
        self._settings = settings
        self.max_batch = settings.max_batch
        self.checkpoint = TtsCheckpoint(settings)
        self.talker, self.codec = self.checkpoint.talker, self.checkpoint.codec
        self._speeches: dict[Session[TtsRequest], Speech] = {}
        self._rows: list[Speech] = []
        self._free_slots = list(range(settings.max_batch))
        self._samplers: tuple[RowSampler, RowSampler] | None = None

    def check(self, request: TtsRequest) -> None:
        limit = self._settings.max_text_chars
        if not request.text.strip():
            raise InvalidRequest("TEXT is empty; send the words to speak")
        if not pronounceable(request.text):
            raise InvalidRequest("TEXT has no letter and no digit: there is nothing to pronounce")
        if len(request.text) > limit:
            raise InvalidRequest(f"TEXT has {len(request.text)} characters; the limit is {limit}")
        if request.max_audio_s > self._settings.max_audio_s:
            limit_s = self._settings.max_audio_s
            raise InvalidRequest(f"OPTIONS.max_audio_s is {request.max_audio_s:g}; the limit is {limit_s:g}")
        self.checkpoint.check_voice(request)

    @torch.inference_mode()
    def step(self, sessions: Sequence[Session[TtsRequest]]) -> None:
        self._advance()
        for session in sessions:
            if session not in self._speeches:
                self._speeches[session] = self._admit(session)
        self._start([speech for speech in self._speeches.values() if speech.row is None])
        self._draw()
        self._decode()

    @torch.inference_mode()
    def retire(self, session: Session[TtsRequest]) -> None:
        speech = self._speeches.pop(session, None)
        if speech is None:
            return
        self._leave(speech)
        self._free_slots.append(speech.slot)

    def _admit(self, session: Session[TtsRequest]) -> Speech:
        request = session.request
        slot = self._free_slots.pop()
        self.codec.reset(slot)
        return Speech(
            session=session,
            slot=slot,
            pieces=deque(pieces(request.text, self._settings.max_piece_chars)),
            uniforms=Uniforms(request.seed, self.talker.config.num_groups),
            total_budget=max(1, int(request.max_audio_s * FRAMES_PER_S)),
        )

    def _advance(self) -> None:
        if not self._rows:
            return
        text = torch.cat([self._next_text(speech) for speech in self._rows])
        self.talker.advance(text, [speech.positions for speech in self._rows])
        for speech in self._rows:
            speech.positions += 1

    def _next_text(self, speech: Speech) -> torch.Tensor:
        """(1, hidden): what goes beside the frame that was drawn last."""
        assert speech.prompt is not None
        index = speech.piece_frames - 1
        beside = speech.prompt.beside
        return beside[index : index + 1] if index < len(beside) else self.checkpoint.prompts.pad

    def _start(self, waiting: Sequence[Speech]) -> None:
        """Prefill the next piece of each of `waiting`."""
        prompts: list[Prompt] = []
        first_row = len(self._rows)
        for speech in waiting:
            with fail_alone(speech.session):
                text = speech.pieces.popleft()
                prompt = self.checkpoint.prompt(speech.request, text)
                speech.begin_piece(text, prompt, self.talker.length - len(prompt.start))
                speech.row = len(self._rows)
                self._rows.append(speech)
                prompts.append(prompt)
        if prompts:
            self.talker.prefill([prompt.start for prompt in prompts], first_row)
            self._samplers = None

    def _draw(self) -> None:
        if not self._rows:
            return
        if self._samplers is None:
            requests = [speech.request for speech in self._rows]
            self._samplers = self.talker.samplers([(one.sampling, one.sub_sampling) for one in requests])
        uniforms = np.stack([speech.uniforms.next() for speech in self._rows])
        fresh = [speech.piece_frames < MIN_FRAMES for speech in self._rows]
        device = self.talker.device
        codes = self.talker.draw(
            self._samplers, torch.from_numpy(uniforms).to(device), torch.tensor(fresh, device=device)
        )
        for speech, frame in zip(tuple(self._rows), codes.tolist(), strict=True):
            self._take(speech, frame)

    def _take(self, speech: Speech, frame: list[int]) -> None:
        ended = frame[0] == self.talker.config.control.eos
        if not ended:
            speech.take(frame)
            if speech.cut_by is None:
                return
        self._leave(speech)
        speech.done = speech.cut_by is not None or not speech.pieces

    def _leave(self, speech: Speech) -> None:
        """Give the row back; the last row takes its place."""
        if speech.row is None:
            return
        row, speech.row = speech.row, None
        last = self._rows.pop()
        if last is not speech:
            self.talker.move(len(self._rows), row, last.positions)
            self._rows[row], last.row = last, row
        self._samplers = None

    def _decode(self) -> None:
        due: dict[int, list[Speech]] = defaultdict(list)
        busy = 2 * len(self._speeches) > self.max_batch
        ramp = HIGH_LOAD_FRAMES if busy else LOW_LOAD_FRAMES
        for speech in self._speeches.values():
            if num_frames := speech.frames_due(speech.request.chunk_frames or ramp):
                due[num_frames].append(speech)
        for num_frames, speeches in due.items():
            self._decode_together(speeches, num_frames)
        for speech in self._speeches.values():
            if speech.cut_by == "silence" and not speech.done:
                self._leave(speech)
                speech.done = True
            if speech.done and not speech.pending:
                speech.session.finish("length" if speech.cut_by else "stop", **speech.figures())

    def _decode_together(self, speeches: Sequence[Speech], num_frames: int) -> None:
        device = self.codec.device
        codes = torch.tensor([speech.pending[:num_frames] for speech in speeches], device=device)
        slots = torch.tensor([speech.slot for speech in speeches], device=device)
        samples = self.codec.decode(codes, slots).float().cpu().numpy()
        for speech, heard in zip(speeches, samples, strict=True):
            speech.deliver(heard, num_frames, self.codec.config.sample_rate_hz)
