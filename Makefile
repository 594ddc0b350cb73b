# Two commands do everything: `make demo` and `make test`; `make quick` while you work. See README.md, CONTRIBUTING.md.
PYTHON ?= python3
VENV := .venv
TTS_VENV := .venv-tts
BIN := $(VENV)/bin

.PHONY: demo serve quick test test-long check docs site env upstream system clean demo-checkpoints demo-audio bench-tts bench-asr bench-image bench-chains bench-gateway perf-quick perf-locust

demo: env
	$(BIN)/qwen demo

serve: env
	exec $(BIN)/qwen serve

# What needs no server and no second environment, on two cores. Modules that are compiled are kept for the next time.
quick: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest tests/unit -n 2 --dist worksteal -q

test: env upstream check
	$(BIN)/pytest --ignore=tests/long

# Fuzz, soak, parity in many shapes, processes killed and callers leaving hundreds of times; an hour and more.
test-long: env upstream
	$(BIN)/pytest tests/long --timeout=1800

check: env site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# docs/ as pages in build/site; a link that leads nowhere ends it.
site: env
	$(BIN)/zensical build --strict --clean

# The pages that are made from the code.
docs: env
	$(BIN)/python -m scripts.limits_page
	$(BIN)/python -m scripts.wire_page

# --- environments -----------------------------------------------------------------------------------------------

env: $(VENV)/.complete

# The official qwen-tts package: what our synthesis is compared with, and what trains its demo checkpoints.
upstream: $(TTS_VENV)/.complete

# The stub of Triton's python backend needs the shared libpython of the interpreter.
system:
	@scripts/apt.sh $$($(PYTHON) -c "import os, sysconfig; \
	  found = os.path.exists(os.path.join(*sysconfig.get_config_vars('LIBDIR', 'INSTSONAME'))); \
	  print('' if found else 'libpython' + sysconfig.get_config_var('VERSION'))") espeak-ng fonts-noto-cjk \
	  nginx
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || scripts/apt.sh python3-venv

$(VENV)/.complete: pyproject.toml packages/client/pyproject.toml packages/gateway/pyproject.toml requirements/main.txt | system
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c requirements/main.txt -e packages/client -e packages/gateway \
	  -e '.[engine,silero,test,perf,site]'
	$(BIN)/pip install -q --disable-pip-version-check --no-deps nvidia-pytriton==0.7.0
	touch $@

# qwen-tts pins transformers 4.57.3; without --no-deps it would pull gradio, torchaudio and SoX, which it does not
# need here (see qwen_engine/qwen_tts_import.py).
$(TTS_VENV)/.complete: requirements/tts.txt $(VENV)/.complete
	$(PYTHON) -m venv $(TTS_VENV)
	$(TTS_VENV)/bin/python scripts/share_packages.py $(VENV)
	$(TTS_VENV)/bin/pip install -q --disable-pip-version-check --no-deps -r requirements/tts.txt
	touch $@

# --- demo checkpoints (hours on two cores; the results are committed) ----------------------------------------------

TRAIN := $(BIN)/python -m demo.training
TRAIN_TTS := PYTHONPATH=.:wire:engine $(TTS_VENV)/bin/python -m demo.training

demo-audio: env
	$(TRAIN).demo_audio

# The recogniser learns the voice of the codec, so the codec comes before its fine-tuning.
demo-checkpoints: env upstream
	mkdir -p build/training
	$(TRAIN).asr from_scratch
	$(TRAIN_TTS).fit_codes
	$(TRAIN_TTS).codec
	$(TRAIN_TTS).mimi
	$(TRAIN_TTS).voice_space
	$(TRAIN_TTS).tts_data
	$(TRAIN_TTS).talker from_scratch
	$(TRAIN_TTS).speaker_encoder
	$(TRAIN_TTS).publish_voices
	$(TRAIN_TTS).check_layouts
	$(TRAIN_TTS).tts_free_data
	$(TRAIN_TTS).talker free
	$(TRAIN_TTS).resynthesise
	$(TRAIN_TTS).resynthesise_held_out
	$(TRAIN).asr fine_tune
	$(TRAIN).asr bilingual
	$(TRAIN).asr polish
	$(TRAIN).asr names
	$(TRAIN).asr spelling
	$(TRAIN).asr free
	$(TRAIN).asr several
	$(TRAIN).asr homophones
	$(TRAIN).asr publish
	$(TRAIN).evaluate_asr
	$(TRAIN).aligner
	$(TRAIN).aligner publish
	$(TRAIN).evaluate_aligner
	$(TRAIN_TTS).speak_held_out
	$(TRAIN_TTS).speak_pieces
	$(TRAIN_TTS).speak_voices
	$(TRAIN).evaluate_tts
	for run in 0 1 2; do $(TRAIN).image_vae $$run || exit 1; done
	for run in 0 1; do $(TRAIN).image_dit $$run || exit 1; done
	$(TRAIN).image_vae 3
	$(TRAIN).evaluate_image
	$(TRAIN).image_preview
	$(TRAIN).evaluate_inpainting
	$(TRAIN).edit_vision
	for run in 0 1; do $(TRAIN).image_edit $$run || exit 1; done
	$(TRAIN).evaluate_image_edit
	$(TRAIN).chat from_scratch
	$(TRAIN).chat more
	$(TRAIN).chat polish
	$(TRAIN).chat hard
	$(TRAIN).chat harder
	$(TRAIN).chat publish
	$(TRAIN).evaluate_chat
	$(TRAIN).vl_vision
	for run in 0 1; do $(TRAIN).vl_train $$run || exit 1; done
	$(TRAIN).evaluate_vl

# --- benchmarks and load tests ------------------------------------------------------------------------------------

# Against the official package, in one run; ten minutes on an idle machine.
bench-tts: env upstream
	$(BIN)/python -m perf.bench_tts

# Against transformers, in one run.
bench-asr: env
	$(BIN)/python -m perf.bench_asr

# Against diffusers, in one run.
bench-image: env
	$(BIN)/python -m perf.bench_image

# Against the same steps one after another, in one run.
bench-chains: env
	$(BIN)/python -m perf.bench_chains

bench-gateway: env
	@scripts/apt.sh wrk
	$(BIN)/python -m perf.bench_gateway

perf-quick: env
	$(BIN)/python -m perf.quick

perf-locust: env
	$(BIN)/python -m perf.locust_quick

clean:
	rm -rf $(VENV) $(TTS_VENV) .venv-perf build out
