"""One live stream: the samples of its running segment, and the text so far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qwen_engine.asr.captions.endpoints import EndpointLimits, Endpoints
from qwen_engine.asr.captions.request import CaptionRequest
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.asr.captions.sound import ChunkReader
from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.request import MIN_TOKENS, TOKENS_PER_S, AsrRequest, PieceResult
from qwen_engine.asr.silence import Span, speech_spans
from qwen_engine.asr.streaming_encoder import StreamingEncoderState
from qwen_engine.asr.text_join import has_space_between
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_engine.asr.vad.methods import detector_of
from qwen_engine.prompt_tokenizer import HALF_CHARACTER
from qwen_wire.errors import InvalidRequest
from qwen_wire.languages import resolve_language
from qwen_wire.options import CaptionOptions, Options
from qwen_wire.transcripts import Caption, Segment

SETTLED_S = 2.0  # text of less audio is no prefix of the next step


@dataclass(frozen=True)
class EndedSegment:
    """A segment that has ended, and the request whose transcript is its final text."""

    span: Span
    request: AsrRequest


class RunningSegment:
    """A segment that has not ended: its text so far, of the audio up to `transcribed_until` (samples)."""

    def __init__(self, start: int, checkpoint: AsrCheckpoint) -> None:
        self.start = self.transcribed_until = start
        self.fresh_s = 0.0  # new audio of the last step
        self.encoder_state = StreamingEncoderState(checkpoint.config)
        self.ids: Sequence[int] = ()
        self.text = ""
        self.language: str | None = None
        self.is_speech = False

    def prefix(self, rollback: int) -> Sequence[int]:
        """The ids to continue: those of the last step without the last `rollback`."""
        return self.ids[: max(0, len(self.ids) - rollback)]

    def budget(self, prefix: Sequence[int], rollback: int) -> int | None:
        """The most tokens that may follow `prefix`; None: as for a recording."""
        return MIN_TOKENS + rollback + int(self.fresh_s * TOKENS_PER_S) if prefix else None

    def update(self, prefix: Sequence[int], result: PieceResult) -> None:
        """Take the result of a step that continued `prefix`."""
        settled = self.transcribed_until - self.start >= SETTLED_S * SAMPLE_RATE_HZ
        # A step that ran out of tokens was repetitive: the next one starts without a prefix.
        self.ids = (*prefix, *result.ids) if settled and result.finish_reason == "stop" else ()
        self.text, self.language = result.text.rstrip(HALF_CHARACTER), result.language


class CaptionStream:
    """The state of a stream, bounded but for its text: silence is dropped, and a segment's audio at its end."""

    def __init__(self, opening: CaptionRequest, checkpoint: AsrCheckpoint, settings: CaptionSettings) -> None:
        self.options = opening.options
        self.language = _language(opening.options)
        self.running: RunningSegment | None = None
        self.is_busy = False
        self.used_s = 0.0
        self._checkpoint = checkpoint
        self._settings = settings
        self._reader = ChunkReader(opening.options)
        self._detector = detector_of(settings.vad_method)
        limits = EndpointLimits(settings.end_silence_s, settings.max_segment_s)
        self._endpoints = Endpoints(limits, self._detector)
        self._samples = np.zeros(0, np.float32)
        self._first = 0  # position of the first sample in the stream
        self._stable = ""
        self._detected_language: str | None = None
        self._num_segments = 0
        self._index = 0

    def check_options(self, request: CaptionRequest) -> None:
        """Refuse options of a later chunk that differ from the first one's."""
        stated = request.options.model_fields_set - Options.model_fields.keys() - {"token"}
        if _language(request.options) == self.language:
            stated -= {"language"}
        for name in stated:
            value, begun_with = getattr(request.options, name), getattr(self.options, name)
            if value != begun_with:
                raise InvalidRequest(
                    f"OPTIONS.{name} is {value!r}, but stream {request.stream_id} began with {begun_with!r}; "
                    "end it and start another"
                )

    def feed(self, request: CaptionRequest) -> list[EndedSegment]:
        """Add the chunk of `request`; the segments that have ended in it."""
        self._check_length(request)
        samples = self._reader.read(request.audio, last=request.end, max_s=self._settings.max_chunk_s)
        self._samples = np.concatenate((self._samples, samples))
        spans = self._endpoints.feed(samples)
        if request.end and (last := self._endpoints.finish()) is not None:
            spans.append(last)
        ended = [EndedSegment(span, self._request(span)) for span in spans]
        self._update_running()
        return ended

    def due(self) -> np.ndarray | None:
        """The running segment's samples (n,), if enough of them are new."""
        running, endpoints = self.running, self._endpoints
        if running is None or endpoints.speech_end <= running.transcribed_until:
            return None
        samples = self._samples[running.start - self._first :]
        until = running.start + len(samples)
        if until - running.transcribed_until < self._settings.min_step_s * SAMPLE_RATE_HZ:
            return None
        running.is_speech = running.is_speech or bool(speech_spans(samples, self._detector))
        if not running.is_speech:
            return None
        running.fresh_s, running.transcribed_until = (until - running.transcribed_until) / SAMPLE_RATE_HZ, until
        return samples

    def caption(
        self, ended: Sequence[tuple[EndedSegment, str, str | None]], *, token: str | None, is_final: bool
    ) -> Caption:
        """The answer to a chunk in which segments have `ended` with a text in a language."""
        segments = [self._ended(segment.span, text, language) for segment, text, language in ended if text]
        partial = "" if self.running is None or is_final else self.running.text
        language = self.running.language if self.running and partial else None
        self._detected_language = language or self._detected_language
        self._index += 1
        return Caption(
            index=self._index - 1,
            stable=self._stable,
            partial=self._spaced(partial, language) if partial else "",
            language=self.language or self._detected_language,
            segment=self._num_segments,
            segments=tuple(segments),
            audio_s=self._reader.duration_s,
            is_final=is_final,
            token=token,
            idle_timeout_s=None if token is None else self._settings.idle_timeout_s,
        )

    def _check_length(self, request: CaptionRequest) -> None:
        limit_s = self._settings.max_stream_s
        if request.audio and self._reader.duration_s >= limit_s:
            raise InvalidRequest(
                f"stream {request.stream_id} has lasted {limit_s:g} s, the limit; end it, start another"
            )

    def _request(self, span: Span) -> AsrRequest:
        return AsrRequest(
            self._samples[span.start - self._first : span.end - self._first].copy(),
            language=self.language,
            context=self.options.context,
            detector=self._detector,
            max_piece_s=self._settings.max_segment_s,
        ).prepared()

    def _update_running(self) -> None:
        """Update the running segment; forget samples that are not needed any more."""
        start = self._endpoints.start
        if start is None:
            self.running = None
        elif self.running is None or self.running.start != start:
            self.running = RunningSegment(start, self._checkpoint)
        needed = self._endpoints.needed_from
        self._samples = self._samples[needed - self._first :].copy()
        self._first = needed

    def _ended(self, span: Span, text: str, language: str | None) -> Segment:
        self._stable += self._spaced(text, language)
        self._num_segments += 1
        self._detected_language = language or self._detected_language
        start, end = (min(at / SAMPLE_RATE_HZ, self._reader.duration_s) for at in (span.start, span.end))
        return Segment(start, end, text)

    def _spaced(self, text: str, language: str | None) -> str:
        """`text` with the space that follows the stable text."""
        spaced = bool(self._stable) and has_space_between(self._stable[-1], text[0], language)
        return " " * spaced + text


def _language(options: CaptionOptions) -> str | None:
    return resolve_language(options.language, hears_dialects=True)
