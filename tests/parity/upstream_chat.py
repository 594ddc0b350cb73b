"""What transformers' generate writes, one request at a time."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer, Qwen3ForCausalLM


class UpstreamChat:
    """The official class on a checkpoint folder, greedy."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def prompt(self, messages: Sequence[dict[str, str]], *, thinking: bool = False) -> list[int]:
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
        )
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    @torch.inference_mode()
    def answer(self, prompt: Sequence[int], max_tokens: int) -> list[int]:
        """New token ids; the end token, where there is one, is left out."""
        ids = torch.tensor([list(prompt)])
        written = self._model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_tokens, do_sample=False
        )
        answer = written[0, len(prompt) :].tolist()
        ends = self._model.generation_config.eos_token_id
        return answer[:-1] if answer[-1] in ends else answer

    @torch.inference_mode()
    def unrepeated(self, prompt: Sequence[int], max_tokens: int, *, penalty: float, min_tokens: int) -> list[int]:
        """Greedy, with transformers' repetition penalty and least length; the end token is left out."""
        ids = torch.tensor([list(prompt)])
        written = self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_tokens,
            min_new_tokens=min_tokens,
            repetition_penalty=penalty,
            do_sample=False,
        )
        answer = written[0, len(prompt) :].tolist()
        return answer[:-1] if answer[-1] in self._model.generation_config.eos_token_id else answer

    @torch.inference_mode()
    def penalised(self, prompt: Sequence[int], max_tokens: int, *, presence: float, frequency: float) -> list[int]:
        """Greedy, with OpenAI's penalties: token by token, for generate has none of them."""
        written: list[int] = []
        while len(written) < max_tokens:
            logits = self._model(torch.tensor([[*prompt, *written]])).logits[0, -1]
            for token, times in Counter(written).items():
                logits[token] -= presence + frequency * times
            if int(logits.argmax()) in self._model.generation_config.eos_token_id:
                break
            written.append(int(logits.argmax()))
        return written

    def text(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(ids), skip_special_tokens=True)
