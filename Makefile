# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every target makes what it needs; nothing has to be activated. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# The environment is brought up to date when one of these files has another content.
REQUIREMENTS := requirements.txt requirements-dev.txt constraints.txt
READY := .venv/.ready-$(shell cat $(REQUIREMENTS) | sha256sum | cut -c1-16)
# Ansible and mypy find the collection under its real name through the link that tools/venv.sh makes.
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.venv/collections
# Tools that call other tools (ansible-lint runs ansible-playbook) take those of the environment.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTEST := $(BIN)/python -m pytest

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY):
	@tools/venv.sh $@

##@ See it
.PHONY: demo
demo: $(READY) ## A release to two local regions under live orders: v2 goes out, v3, v5 and v7 are refused (root)
	@$(BIN)/python -m lab.demo

##@ Check it
.PHONY: test
test: $(READY) ## Everything: lint, units, sanity, packaging, lab, end to end (root; leaves no lab behind)
	@$(BIN)/python tools/run_tests.py

LINTS := lint-python lint-types lint-yaml lint-shell lint-changelog lint-docs lint-ansible
.PHONY: lint $(LINTS)
lint: $(LINTS) ## All of the checks that read and do not run

lint-python: $(READY) ## ruff: rules and format
	@echo "== ruff"; $(BIN)/ruff check --quiet; $(BIN)/ruff format --check --quiet || { echo "run: make format"; exit 1; }

lint-types: $(READY) ## mypy, strict, on plugins/, lab/ and chaos/
	@echo "== mypy"; $(BIN)/mypy

lint-yaml: $(READY) ## yamllint
	@echo "== yamllint"; $(BIN)/yamllint --strict .

lint-shell: $(READY) ## shellcheck
	@echo "== shellcheck"; git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run | xargs $(BIN)/shellcheck

lint-changelog: $(READY) ## antsibull-changelog: fragments and changelog file
	@echo "== antsibull-changelog"; $(BIN)/antsibull-changelog lint; $(BIN)/antsibull-changelog lint-changelog-yaml changelogs/changelog.yaml

lint-docs: $(READY) ## antsibull-docs: documentation of modules and roles
	@echo "== antsibull-docs"; $(BIN)/antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .

lint-ansible: $(READY) ## ansible-lint, profile production
	@echo "== ansible-lint"; $(BIN)/ansible-lint

.PHONY: test-unit test-sanity test-packaging test-flow test-faults test-drain test-dns test-flags test-models test-lab test-molecule test-e2e
test-unit: $(READY) ## Unit tests (no root, under a minute)
	@$(PYTEST) tests/unit --numprocesses auto

test-sanity: $(READY) ## ansible-test sanity on the built artefact
	@tools/sanity.sh

test-packaging: $(READY) ## The artefact builds, installs elsewhere, and works by name
	@$(PYTEST) tests/packaging

test-flow: $(READY) ## The playbooks' control flow, with stand-ins for the cluster modules (no root)
	@$(PYTEST) tests/flow --numprocesses auto

test-faults: $(READY) ## The gate's verdicts while API server and Prometheus fail, on loopback (no root)
	@$(PYTEST) tests/faults

test-drain: $(READY) ## Handovers and drains of the whole exchange as processes on loopback, with kills (no root)
	@$(PYTEST) tests/drain

test-dns: $(READY) ## DNS weights on loopback: a real PowerDNS, and Route 53's rules in front of moto (root once, to install PowerDNS)
	@$(PYTEST) tests/dns

test-flags: $(READY) ## Feature flags on loopback: a real Redis, and the real OpenFeature client (root once, to install Redis)
	@$(PYTEST) tests/flags

test-models: $(READY) ## Models: a real MLflow, a real Redis, the report in Chromium (root, or these installed; MLflow once, 360 MB)
	@$(PYTEST) tests/models

test-lab: $(READY) ## The lab itself: up, down, what stays behind (root)
	@$(PYTEST) tests/lab

test-molecule: $(READY) ## molecule: scenarios on the lab, or SCENARIO=name (root)
	@$(BIN)/molecule test $(if $(SCENARIO),-s $(SCENARIO),--all)

test-e2e: $(READY) ## Releases on the lab, end to end (root)
	@$(PYTEST) tests/e2e

##@ Work on it
.PHONY: venv format constraints build clean
venv: $(READY) ## Make or update .venv
	@:

format: $(READY) ## Format Python as lint wants it
	@$(BIN)/ruff format; $(BIN)/ruff check --fix

build: $(READY) ## Build the collection into .build/
	@mkdir -p .build; $(BIN)/ansible-galaxy collection build --force --output-path .build

constraints: $(READY) ## Take the newest versions of the development environment and write constraints.txt
	@tools/constraints.sh

.PHONY: bench bench-way-back bench-gate bench-rollback bench-drain bench-dns bench-flags bench-models
bench: bench-way-back bench-gate bench-rollback bench-drain bench-dns bench-flags bench-models ## Every benchmark; results in bench/results/ (root)

bench-way-back: $(READY) ## How long a bad version is visible, over five releases of v3 (root)
	@$(BIN)/python -m bench.way_back

bench-gate: $(READY) ## The gate beside its peers: PART=rollout, scale, canary, alarms or replayed, or all of them (root)
	@PYTHONPATH=$(ANSIBLE_COLLECTIONS_PATH) $(BIN)/python -m bench.gate $(PART)

bench-rollback: $(READY) ## Ways back of a whole environment beside kubectl and Helm: PART=back, overhead or dead, or all of them (root)
	@PYTHONPATH=$(ANSIBLE_COLLECTIONS_PATH) $(BIN)/python -m bench.rollback $(PART)

# Without root and lab. The services are those of the tests.
bench-drain: $(READY) ## Drains and handovers under load: PART=handover, full, kills, faults, many or bulk, or all of them
	@PYTHONPATH=$(ANSIBLE_COLLECTIONS_PATH):$(CURDIR)/tests/drain:$(CURDIR)/tests/unit/plugins/module_utils/_drain \
		$(BIN)/python -m bench.drain $(PART)

# The servers on loopback are those of the tests.
bench-dns: $(READY) ## Regions in and out by DNS weights: PART=evacuate, killed (root), large or guards, or all of them
	@PYTHONPATH=$(ANSIBLE_COLLECTIONS_PATH):$(CURDIR)/tests/dns:$(CURDIR)/tests/flow:$(CURDIR)/tests/faults:$(CURDIR)/tests/unit/plugins/module_utils \
		$(BIN)/python -m bench.dns $(PART)

# As those of the drain and of DNS, with a real Redis.
bench-flags: $(READY) ## Feature flags: PART=kill, ramp, agree, large, writers, faults (root) or mounted (root), or all of them
	@PYTHONPATH=$(ANSIBLE_COLLECTIONS_PATH):$(CURDIR)/tests/flags:$(CURDIR)/tests/dns:$(CURDIR)/tests/drain:$(CURDIR)/tests/unit/plugins/module_utils/_drain \
		$(BIN)/python -m bench.flags $(PART)

bench-models: $(READY) ## How models are judged: PART=simulated, judged, streamed, beside (root) or back (root), or all of them
	@PYTHONPATH=$(ANSIBLE_COLLECTIONS_PATH):$(CURDIR)/tests/models:$(CURDIR)/tests/flags:$(CURDIR)/tests/dns $(BIN)/python -m bench.models $(PART)

.PHONY: chaos
chaos: $(READY) ## The kill sweep: VARIANT=name, POINTS=SEED:COUNT, SHARD=i/n, RESUME=1, RECORD=FILE (root; hours)
	@$(BIN)/python -m chaos $(if $(VARIANT),--variant $(VARIANT)) $(if $(POINTS),--points $(POINTS)) $(if $(SHARD),--shard $(SHARD)) $(if $(RESUME),--resume) $(if $(RECORD),--record $(RECORD))

clean: ## Remove what make and the tools have written (.venv and running labs stay)
	rm -rf .build .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache reports
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
