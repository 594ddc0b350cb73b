"""The demo chat model's tokenizer and model: transformers' Qwen3 classes, small."""

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM
from transformers.models.qwen2 import Qwen2Tokenizer

from demo.training import chat_dialogues, chat_words, corpus
from demo.training.chat_dialogues import TASKS
from demo.training.tokenizer import MIN_FREQUENCY, train_tokenizer
from qwen_engine.chains.tasks.prompts import prompts

MAX_VOCABULARY = 4096  # never reached: merging ends where every word is one token
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<think>", "</think>")  # not special, as upstream: a thought can be read in the decoded text
SAMPLES_A_TASK = 1500
SAMPLES_SEED = 40
MAX_POSITIONS = 4096
INITIAL_DEVIATION = 0.04
# Qwen3's layout without tools: thoughts stay in an answer that ends the chat, those before are left out; thinking off
# opens the answer with an empty thought.
CHAT_TEMPLATE = """\
{%- set turns = namespace(last_user=messages|length) -%}
{%- for message in messages -%}
    {%- if message.role == 'user' -%}{%- set turns.last_user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' -}}
    {%- if message.role == 'assistant' -%}
        {%- set parts = message.content.split('</think>') -%}
        {%- set written = parts[0].split('<think>')[-1] if parts|length > 1 else '' -%}
        {%- set thought = message.reasoning_content if message.reasoning_content is string else written -%}
        {%- if loop.index0 > turns.last_user and (loop.last or thought) -%}
            {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' -}}
        {%- endif -%}
        {{- parts[-1].lstrip('\\n') -}}
    {%- else -%}
        {{- message.content -}}
    {%- endif -%}
    {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
    {%- if enable_thinking is defined and enable_thinking is false -%}
        {{- '<think>\\n\\n</think>\\n\\n' -}}
    {%- endif -%}
{%- endif -%}
"""


def build_tokenizer() -> Qwen2Tokenizer:
    """Byte-level BPE laid out as Qwen3's: every word, JSON mark and Chinese or Japanese word of the tasks is one id."""
    words = sorted({*_ascii_words(_sample_texts()), *chat_words.WORDS})
    tokenizer = train_tokenizer(words * MIN_FREQUENCY, MAX_VOCABULARY, SPECIAL_TOKENS)
    tokenizer.add_tokens([AddedToken(marker, normalized=False, special=False) for marker in MARKERS])
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(f"{folder}/tokenizer.json")
        return Qwen2Tokenizer.from_pretrained(
            folder, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHAT_TEMPLATE
        )


def _sample_texts() -> list[str]:
    """Prompts, dialogues and the words of `corpus` as they stand in them."""
    rng = random.Random(SAMPLES_SEED)
    texts = [one.system for one in prompts().values()] + ["system\nuser\nassistant\n\n"]
    for task in TASKS:
        for _ in range(SAMPLES_A_TASK):
            dialogue = chat_dialogues.draw(task, rng, held_out=False)
            texts += [*dialogue.turns, dialogue.expected]
    return texts + [form for word in corpus.WORDS for form in (word, word.capitalize(), f" {word}")]


def _ascii_words(texts: Iterable[str]) -> set[str]:
    """What Qwen's rule cuts the texts into; runs of Chinese and Japanese, which it leaves whole, are left out."""
    cut = train_tokenizer([], 0, ()).pre_tokenizer
    pieces = {text[start:end] for text in texts for _, (start, end) in cut.pre_tokenize_str(text)}
    return {piece for piece in pieces if piece.isascii()}


def build_model(tokenizer: Qwen2Tokenizer) -> Qwen3ForCausalLM:
    """An untrained model of about 1.4 million parameters."""
    end_ids = [tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")]
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        initializer_range=INITIAL_DEVIATION,
        bos_token_id=end_ids[1],
        eos_token_id=end_ids[0],
        pad_token_id=end_ids[1],
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=end_ids, pad_token_id=end_ids[1], do_sample=False, max_new_tokens=1024
    )
    return model


def save(tokenizer: Qwen2Tokenizer, model: Qwen3ForCausalLM, folder: Path) -> None:
    """All files of the checkpoint."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner reads
