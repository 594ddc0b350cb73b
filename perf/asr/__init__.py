"""What the benchmark of speech recognition is made of; perf/bench_asr.py runs it."""
