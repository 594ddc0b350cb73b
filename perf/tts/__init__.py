"""What the benchmark of speech synthesis is made of; perf/bench_tts.py runs it."""
