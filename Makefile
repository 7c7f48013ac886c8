# make site      put WhisperX on the hosts of INVENTORY (default: this machine)
# make check     lint, unit and contract tests: no root, no network
# make test      the same, integration tests and molecule scenarios; as root on Debian it installs what is missing
# All make what they need in .venv, from hash-locked requirements, and only when those changed.
# pip's own settings (pip.conf, PIP_*) hold; nothing here resets them.

INVENTORY ?= inventory/local.yml
ARGS ?=
SCENARIO ?=

VENV := .venv
BIN := $(VENV)/bin
# A checkout that everyone may write makes Ansible ignore ./ansible.cfg; naming the file does not.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

# Only inside recipes: the search for a Python must not find the one in .venv.
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

# Only this machine's own inventory installs here, so only that one takes root here.
PREFLIGHT := tools/preflight $(if $(filter inventory/local.yml,$(INVENTORY)),--root)

# Prerequisites are made in their order: among the packages is what .venv is made with.
.NOTPARALLEL:
VERBS := plan verify rollback guard doctor audit bake bundle
GOALS := help site $(VERBS) check test test-all lint unit integration molecule bench truth doctor-proof boot-proof gpu-proof attack docs \
	collection release lock-requirements clean preflight packages again
.PHONY: $(GOALS)

# A word that make does not know would be ignored, and `site` would install on this machine instead of on the hosts that
# were meant. What else stands on the command line is the environment's, as make hands it on to what it runs.
KNOWN := INVENTORY ARGS SCENARIO VERSION MAKEFLAGS SHELL PATH HOME TMPDIR CI \
	ANSIBLE_% HF_% LAB_% LC_% MOLECULE_% PIP_% SSL_% UV_% WHISPERX_% %_PROXY %_proxy
UNKNOWN := $(strip $(foreach name,$(filter-out $(KNOWN),$(.VARIABLES)),$(if $(filter command,$(firstword $(origin $(name)))),$(name))))
$(if $(UNKNOWN),$(error Unknown variable on the command line ($(UNKNOWN)); wanted: INVENTORY, ARGS or SCENARIO, in capitals. \
	Variables of the playbooks go into ARGS="-e NAME=VALUE", those of the environment stand before make. Nothing was run))
STRANGE := $(strip $(filter-out $(GOALS) $(VENV)/.%,$(MAKECMDGOALS)))
$(if $(STRANGE),$(error Unknown target ($(STRANGE)); wanted: one that `make help` lists. \
	An inventory is named by INVENTORY=FILE, options of ansible-playbook by ARGS="--limit gpu-01". Nothing was run))
$(if $(strip $(INVENTORY)),,$(error INVENTORY is empty; wanted: a file, a directory or a list of hosts. Leave it out for this machine. Nothing was run))

# make ends with 2 whatever a command ended with, so Ansible's own status stays in a file.
PLAY = mkdir -p reports && rm -f reports/$@.exit; $(RUN) ansible-playbook $(1) -i $(INVENTORY) $(ARGS); \
	status=$$?; echo $$status > reports/$@.exit; exit $$status

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

#: What a user runs, on the hosts of INVENTORY=FILE (without: this machine), with options in ARGS="...":
#:   make plan           decide and explain; change nothing
#:   make site           install, verify, switch; on many hosts in waves
#:   make verify         run the pipeline in the active release
#:   make rollback       back to the previous release, offline
#:   make audit          what changed since, what an upgrade would break
#:   make doctor         why does an environment not work?
#:   make guard          stop the package run that would break it
#:   make bundle         one directory for hosts without a network
#:   make bake           a golden image
#:
#: What a developer runs:
#:   make check          lint, unit and contract tests: no root, no network
#:   make lint           one part of it; make unit is the other
#:   make test           the same, integration tests and scenarios, as root
#:   make integration    one part of it; make molecule SCENARIO=default another
#:   make docs           the generated pages and pictures of docs/
#:   make collection     build/whisperx-fleet-VERSION.tar.gz
#:   make release        changelog, commit and tag (VERSION=0.2.0)
#:   make clean          remove .venv, caches, test images
#:
#: What takes hours; make test-all runs the four that begin with a star:
#:   make attack       * kills, power cuts, full disks, hostile hosts, in full
#:   make doctor-proof * the doctor on environments that really fail
#:   make truth        * the predictions of the planner, tried in containers
#:   make boot-proof   * a whole WhisperX booted in QEMU, and baked by Packer
#:   make gpu-proof      on a machine with an NVIDIA GPU (ARGS="--wheels DIR"; ten minutes)
#:   make bench          the figures of docs/testing.md

# -- What a user runs ---------------------------------------------------------------------------------------

site: preflight $(VENV)/.collections
	@$(call PLAY,site.yml)

$(VERBS): $(VENV)/.collections
	@$(call PLAY,playbooks/$@.yml)

# -- What a developer runs ----------------------------------------------------------------------------------

check lint unit: $(VENV)/.test
	@$(RUN) python tools/run_tests.py $@

test test-all integration: packages $(VENV)/.test
	@$(RUN) python tools/run_tests.py $@

molecule: packages $(VENV)/.test
	@$(RUN) python tools/run_tests.py molecule $(SCENARIO) --keep

bench: packages $(VENV)/.test
	@tools/lab/with python bench/run.py $(ARGS)

truth: packages $(VENV)/.test
	@tools/lab/build_images bullseye bookworm trixie forky
	@$(RUN) python -m tools.truth $(ARGS)

doctor-proof: packages $(VENV)/.test
	@tools/lab/build_images bullseye bookworm trixie
	@$(RUN) WHISPERX_FLEET_TORCH=1 python -m pytest -v tests/integration/test_doctor.py tests/integration/test_doctor_torch.py $(ARGS)

boot-proof: packages $(VENV)/.test
	@$(RUN) WHISPERX_FLEET_BOOT=1 python -m pytest -v -s tests/integration/test_boot_proof.py $(ARGS)

# The tool's own status, 3 where no GPU is here, stays in a file as that of Ansible does.
gpu-proof: $(VENV)/.controller
	@mkdir -p reports && rm -f reports/$@.exit; $(RUN) python -m tools.gpu_proof $(ARGS); \
	status=$$?; echo $$status > reports/$@.exit; exit $$status

# Attacks that are tests of their own stand in tests/attack; the others belong to what they attack.
ATTACKS := tests/attack tests/unit \
	$(wildcard tests/integration/test_env_kill.py tests/integration/test_env_failures.py tests/integration/test_env_trust.py \
	tests/integration/test_power*.py tests/integration/test_*_power*.py tests/integration/test_container_failures.py tests/integration/test_container_rollback.py \
	tests/integration/test_hostile_hosts.py tests/integration/test_wheelhouse_fleet.py tests/integration/test_guard_apt.py \
	tests/integration/test_collection_sanity.py tests/integration/test_ansible_cores.py tests/integration/test_boot.py \
	tests/integration/test_guard_dnf.py tests/integration/test_secrets.py tests/integration/test_service_speech.py tests/integration/test_service_container.py \
	tests/integration/test_managed_forky.py)

attack: packages $(VENV)/.test
	@tools/lab/build_images bookworm
	@$(RUN) WHISPERX_FLEET_ATTACK=full python -m pytest -v -ra $(ATTACKS) $(ARGS)

docs: $(VENV)/.test
	@$(RUN) python tools/support_matrix.py
	@$(RUN) python tools/troubleshooting.py
	@$(RUN) python tools/report_example.py
	@$(RUN) python tools/screenshots.py plan
	@$(RUN) python tools/licences.py

collection: $(VENV)/.controller
	@$(RUN) python tools/collection.py $(ARGS)

release: $(VENV)/.test
	@$(RUN) python tools/release.py $(VERSION)

# Pins stay, but for what an .in file has new; ARGS=--upgrade takes the newest of all.
lock-requirements: $(VENV)/.controller
	@cd requirements && set -e; $(RUN); options="--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate $(ARGS)"; \
	uv pip compile -q $$options --custom-compile-command 'make lock-requirements' controller.in -o controller.txt; \
	for name in test ee; do \
	  uv pip compile -q $$options --custom-compile-command 'make lock-requirements' -c controller.txt $$name.in -o $$name.txt; \
	done; \
	uv pip compile -q $$options --custom-compile-command 'make lock-requirements' --no-deps -c test.txt collections.in -o collections.txt; \
	uv pip compile -q $$options --custom-compile-command 'make lock-requirements' --no-deps data.in -o data.txt

clean:
	@tools/lab/clean
	@rm -rf $(VENV) build .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible

# -- The environments ---------------------------------------------------------------------------------------

preflight:
	@$(PREFLIGHT) >/dev/null

packages:
	@tools/lab/packages

again:

# Each stamp is touched last: a run that was interrupted, or that pip failed, starts the environment anew.
# So does a .venv whose interpreter is gone, as after an upgrade of the machine.
$(VENV)/.controller: requirements/controller.txt $(if $(shell $(BIN)/python -V 2>/dev/null),,again)
	@python=$$(tools/preflight) && echo "Making $(VENV) with $$python" && rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r $<
	@touch $@

# The connections and modules of requirements.yml; where the tests' packages brought them, nothing is downloaded.
$(VENV)/.collections: requirements/collections.txt requirements.yml $(VENV)/.controller
	@$(BIN)/python tools/fetch_collections.py
	@touch $@

$(VENV)/.test: requirements/test.txt requirements/data.txt $(VENV)/.controller
	@echo 'Adding what the tests need'
	@$(BIN)/python -m pip install --quiet --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/data.txt
	@touch $@
