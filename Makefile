# The two commands of the README are `make run` and `make test`; `make help` lists all.
.POSIX:

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

run: ## install into .venv and start a relay node with its state in ./kwaainet-data
	@tools/venv
	@exec .venv/bin/kwaainet run --data-dir kwaainet-data $(ARGS)

lint: ## format, lint and strict types
	@tools/venv test dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

test: lint ## everything CI runs: lint, types, unit, fuzz-smoke, real peers
	.venv/bin/pytest $(ARGS)

unit: ## the fast tests alone
	@tools/venv test dev
	.venv/bin/pytest -m "not peers and not netns and not slow" $(ARGS)

bench: ## our relay beside its peers under the same load; QUICK=1 for a rough look, ARGS for more
	@tools/venv test dev
	.venv/bin/python -m bench $${QUICK:+--quick} $(ARGS)

.PHONY: help run lint test unit bench
