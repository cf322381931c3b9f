# The two commands are `make demo` and `make test`; each sets up what it needs. README.md explains the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin

.PHONY: help version release deb apt test-deb package test-packages docs docs-tables docs-examples pictures demo test quick check test-fresh test-brokers test-alarm test-homeassistant test-nodered test-appliance test-image test-arm64 measure-arm64 test-camera test-page-browsers test-fleet test-streams soak bench fall-model fall-figures lock setup-run setup-test accuracy clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | column -ts $$'\t'

demo: setup-run  ## embedded broker, bundled clip, real pipeline; ends by itself
	$(BIN)/piapp demo

# Two files at a time, in the order that tests/conftest.py gives them: much of the time is waiting.
test: setup-test check  ## everything that must hold before a change lands
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

quick:  ## unit tests alone: no broker, model, root or network (under a minute; needs .venv, which `make check` makes)
	@test -x $(BIN)/pytest || { echo "quick: $(BIN)/pytest is missing; run 'make check' once, which sets it up" >&2; exit 1; }
	$(BIN)/pytest -q -n 2 --dist loadfile --quick

check: setup-test  ## format, lint, types, layering, the docs site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

docs: setup-test  ## the site of docs/ in .cache/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

test-fresh: setup-test  ## both commands in a minimal Debian root with nothing but git, make and python3
	tests/e2e/fresh.sh

test-appliance: setup-test  ## install, supervise, lock in and uninstall on a booted Debian, all of it (root, 4 min; SUITE=bookworm)
	PIAPP_TEST_APPLIANCE=1 PIAPP_TEST_SUITE=$(or $(SUITE),trixie) $(BIN)/pytest tests/e2e/appliance

package: setup-test  ## wheel, sdist, locked requirements, constraints and overrides in dist/
	$(BIN)/python deploy/python/build.py dist

test-packages: setup-test  ## README's commands for pip, pipx and uv, each in an empty home (200 MB each)
	PIAPP_TEST_PACKAGES=1 $(BIN)/pytest -rs tests/deploy/test_python_package.py

deb: setup-run  ## Debian packages for Debian 12 and 13, amd64 and arm64, in dist/ (downloads 250 MB each)
	for suite in bookworm trixie; do for arch in amd64 arm64; do \
	  deploy/deb/build.sh --suite $$suite --arch $$arch --keep .cache/deb || exit 1; done; done

version: setup-run  ## write the version of the next release wherever it stands: make version VERSION=1.0.0
	$(BIN)/python deploy/version.py $(VERSION)

release: setup-run  ## everything twice, compared byte by byte; checksums, parts list, notes (PIAPP_PROJECT_URL names the page)
	deploy/release.sh

apt: deb  ## the same in a repository that apt reads, in dist/apt, signed: make apt KEY=ID
	deploy/deb/repository.sh --key "$(KEY)" dist/*.deb

test-deb: setup-test  ## install, upgrade, fail, go back, downgrade and purge the packages on a booted Debian (root; SUITE=bookworm)
	PIAPP_TEST_DEB=1 PIAPP_TEST_SUITE=$(or $(SUITE),trixie) $(BIN)/pytest -rs tests/e2e/debian

test-page-browsers: setup-test  ## every view of the page in Chromium and Firefox: axe-core, keyboard alone, two cameras (root, 15 min)
	apt-get install -y -qq --no-install-recommends chromium firefox-esr valgrind
	PIAPP_TEST_BROWSERS=1 $(BIN)/pytest -rs tests/e2e/test_page_browsers.py tests/e2e/test_page_cost.py

test-image: setup-test  ## make the card image on Debian, boot its root and harm it (root, 6 min; ARCH=arm64 emulated, without the node)
	PIAPP_TEST_IMAGE=1 PIAPP_TEST_ARCH=$(or $(ARCH),amd64) $(BIN)/pytest -rs tests/e2e/image

test-camera: setup-test  ## the camera adapter on the real libcamera and its virtual camera (root, 2 min at first, 1.1 GB)
	PIAPP_TEST_CAMERA=1 $(BIN)/pytest tests/e2e/camera

test-arm64: setup-test  ## the processors of Pi 3, 4 and 5, emulated, with the wheels that they get (5 min)
	PIAPP_TEST_ARM64=1 $(BIN)/pytest tests/e2e/arm64

measure-arm64: setup-test  ## start and memory of a node on the processors of Pi 3, 4 and 5, emulated (10 min)
	$(BIN)/python -m tests.e2e.arm64.measure

test-brokers: setup-test  ## the node with RabbitMQ and NATS too, which apt brings (root; Debian 12's versions)
	apt-get install -y -qq --no-install-recommends rabbitmq-server nats-server
	$(BIN)/pytest -rs tests/e2e/test_brokers.py

test-alarm: setup-test  ## kill node and broker at 40 moments of a fall (10 min; after `make test-homeassistant` 20 more before its eyes)
	PIAPP_ALARM_MOMENTS=40 $(BIN)/pytest -rs -s tests/e2e/test_alarm_chain.py tests/deploy/test_homeassistant_real.py -k no_alarm

test-homeassistant: setup-test  ## a real Home Assistant 2026.2.3: first run in two browsers, entities, blueprints (root, 8 min, at first 16; 2.5 GB)
	apt-get install -y -qq --no-install-recommends chromium firefox-esr
	tests/deploy/homeassistant/setup.sh $(CURDIR)/.cache/homeassistant-root
	$(BIN)/pytest -rs tests/deploy/test_homeassistant_real.py tests/e2e/test_first_run_homeassistant.py

test-nodered: setup-test  ## import the Node-RED flow into a real Node-RED, which npm brings, and run it
	npm install --prefix .cache/nodered --silent --no-audit --no-fund node-red@4
	$(BIN)/pytest -rs tests/deploy/test_nodered.py

test-fleet: setup-test  ## a thousand nodes on one broker that is killed and restarted (2 min); `make test` has a hundred
	PIAPP_FLEET_NODES=1000 $(BIN)/pytest -s tests/fleet/test_simulate.py -k storm

test-streams: setup-test  ## a node at a real RTSP server: killed, frozen, stalled, rare key frames, 4K, UDP (root; 8 min)
	apt-get install -y -qq --no-install-recommends python3-gi gir1.2-gst-rtsp-server-1.0 \
		gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
	PIAPP_TEST_STREAMS=1 $(BIN)/pytest -rs tests/e2e/test_streams.py

soak: setup-test  ## half an hour at full rate while broker and camera fail again and again; `make test` has one
	PIAPP_SOAK_S=1800 $(BIN)/pytest -s tests/e2e/test_soak.py tests/e2e/test_privacy.py tests/e2e/test_attacks.py
	PIAPP_HYPOTHESIS=soak $(BIN)/pytest --timeout 7200 tests/test_fuzz.py tests/config/test_toml_file.py tests/mqtt/test_commands.py

ACCURACY = $(BIN)/piapp evaluate $(FOOTAGE) --manifest tests/footage/manifest.json --json
accuracy: setup-test  ## judge falls on the clips or recordings in FOOTAGE=DIR, and write docs/accuracy (4 min for recordings)
	$(ACCURACY) --perturbed 4 > docs/accuracy/normal.json
	$(ACCURACY) --set posture.fall_sensitivity=low > docs/accuracy/low.json
	$(ACCURACY) --set posture.fall_sensitivity=high > docs/accuracy/high.json
	$(BIN)/python -m tests.footage.page docs/accuracy.md

bench: setup-run  ## speed and memory of this machine, beside MediaPipe's own loop
	$(BIN)/piapp bench

FALL_MODEL := .cache/fall-model/bin/python

fall-model: .cache/fall-model  ## make the fall detector again: simulate falls and life, train twice (40 min on one core)
	$(FALL_MODEL) -m models.falls.generate --out .cache/fall-windows
	$(FALL_MODEL) -m models.falls.train --data .cache/fall-windows --nets 1 --epochs 4 --out .cache/fall-model/first.npz
	$(FALL_MODEL) -m models.falls.mine --net .cache/fall-model/first.npz --out .cache/fall-windows
	$(FALL_MODEL) -m models.falls.train --data .cache/fall-windows --out models/fall_detector.npz
	sha256sum models/fall_detector.npz

fall-figures: .cache/fall-model  ## how many simulated falls are found, and how many days of life go without a false one (15 min)
	$(FALL_MODEL) -m models.falls.simulate --falls 200

.cache/fall-model: models/falls/requirements.txt
	python3 -m venv $@
	$@/bin/pip install --quiet --requirement models/falls/requirements.txt
	touch $@

docs-tables: setup-test  ## write the field tables of docs/mqtt.md and docs/asyncapi.json anew from the payload structs
	$(BIN)/python docs/render.py

docs-examples: setup-test  ## the same, with new examples from a run of the demo (25 s)
	$(BIN)/python docs/render.py --capture

pictures: setup-test  ## render the README's pictures from real runs
	$(BIN)/python deploy/pictures/render.py

lock:  ## resolve the locked environments anew (needs uv)
	deploy/lock.sh

setup-run:
	@deploy/setup.sh run

setup-test:
	@deploy/setup.sh test

clean:
	rm -rf .venv .cache
