"""What the benchmark of pictures is made of; perf/bench_image.py runs it."""
