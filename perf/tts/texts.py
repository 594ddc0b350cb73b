"""What is spoken: sentences that the demo checkpoints never heard, from short to long."""

from demo.training.corpus import sentences

POOL = 64
SEED = 2  # among its sentences there is one of about four seconds


def benchmark_texts(count: int) -> list[str]:
    """`count` held-out sentences, evenly spread over the lengths of a pool; short and long ones alternate."""
    pool = sorted((sentence.text for sentence in sentences(POOL, seed=SEED, held_out=True)), key=len)
    chosen = [pool[round(index * (POOL - 1) / (count - 1))] for index in range(count)]
    half = (count + 1) // 2
    pairs = zip(chosen[:half], [*reversed(chosen[half:]), ""], strict=False)
    return [text for pair in pairs for text in pair if text]
