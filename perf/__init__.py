"""Load tests: perf_analyzer on each model, locust on the SDK. See README.md."""
