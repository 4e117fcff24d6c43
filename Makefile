# Each target does all of its own set-up: from a fresh clone, `make demo` is enough.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install installed check test api-fuzz demo bench aws-check faults deploy synth target-template docs lock clean

VENV := .venv
BIN := $(VENV)/bin
TEMPLATES := cdk.out/DbrestoreControl.template.json cdk.out/DbrestoreTarget.template.json build/dbrestore-target.template.json
DEFINITION := statemachine/restore_databases.asl.json

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: installed ## the virtual environment with every pinned package; PYTHON=/path/to/python3 chooses the Python

# Looks each time: an environment may have been moved, broken off, or have lost its Python. That takes a tenth of a second.
installed:
	@$(SHELL) requirements/install.sh

EVERYTHING := {"accessConfiguration": "examples/configuration/access.json", "adoptionConfiguration": "examples/configuration/adoption.json", "answerConfiguration": "examples/configuration/answers.json", "drillConfiguration": "examples/configuration/drills.json", "inPlaceConfiguration": "examples/configuration/in_place.json", "dashboard": true}
check: installed ## format, linter, types, generated files, templates, definition, scanners
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy app.py setup.py requirements/install.py requirements/lock.py docs/generate.py
	$(BIN)/python docs/generate.py --check
	# With everything that can be switched on, so that all of it is looked at.
	CDK_CONTEXT_JSON='$(EVERYTHING)' $(BIN)/python app.py examine
	$(BIN)/python app.py target-template
	$(BIN)/python -m checks
	# W3005: the CDK writes DependsOn beside a reference that implies it.
	$(BIN)/cfn-lint --ignore-checks W3005 --template $(TEMPLATES)
	mkdir -p build
	sed -E 's/\$$\{([A-Za-z]+)\}/arn:aws:lambda:eu-central-1:123456789012:function:\1/g' $(DEFINITION) > build/definition.json
	$(BIN)/statelint build/definition.json

test: installed ## every test that takes seconds, in three processes: each waits a third of its time
	@$(SHELL) requirements/browser.sh
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "not slow"

faults: installed ## every fault in every state, every way to fail; an hour
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/faults tests/native tests/statemachine tests/generated
	$(BIN)/python -m pytest -n 2 --dist loadscope -m slow tests/databases tests/unit tests/test_orchestration_benchmark.py

api-fuzz: installed ## the HTTP API of a local cloud against its OpenAPI document, by schemathesis; minutes
	$(BIN)/python -m pytest -m slow tests/native/test_openapi_campaign.py

demo: installed ## restores of both engines, one whose worker dies, one that is refused, on the local cloud
	@$(BIN)/python -m demo

bench: installed ## what is claimed about speed and memory, measured here
	@$(BIN)/python -m benchmarks

aws-check: installed ## dbrestore tried out in your account of AWS, and removed again; asks first (docs/acceptance.md)
	@$(BIN)/python -m acceptance $(OPTIONS)

deploy: installed ## an account's first deployment, both stacks and RDS's certificates, where a DB instance is: INSTANCE=ID or VPC=vpc-...
	@$(if $(INSTANCE)$(VPC),,$(error Name a DB instance or cluster to restore into, make deploy INSTANCE=shop, or its VPC: make deploy VPC=vpc-...))
	@$(BIN)/python -m infrastructure.deploying $(if $(VPC),--vpc '$(VPC)',--instance '$(INSTANCE)') \
	  $(if $(CERTIFICATES),--certificates '$(CERTIFICATES)') -- $(OPTIONS)

synth: installed ## the CloudFormation templates, into cdk.out/
	$(BIN)/python app.py

target-template: installed ## the TargetStack as plain CloudFormation (StackSets) and the worker's program, into build/
	@$(BIN)/python app.py target-template

docs: installed ## the generated pages, schemas and definition
	$(BIN)/python docs/generate.py
	$(BIN)/python -m tests.native_table

lock: installed ## the versions and hashes of all packages that the lists in requirements/ ask for, into requirements/locked/
	$(BIN)/python requirements/lock.py

clean: ## everything that can be made again
	rm -rf $(VENV) build cdk.out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
