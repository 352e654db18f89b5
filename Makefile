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

test: lint ## everything CI runs: lint, types, unit, fuzz-smoke, real peers, the compiled hot path
	@tools/need iproute2 nftables dnsmasq-base faketime
	.venv/bin/pytest $(ARGS)
	$(MAKE) compiled

compiled: ## the same suite's fast and relay tests on the hot path compiled with Cython
	@tools/venv test dev
	tools/compile
	cd build/compiled && ../../.venv/bin/pytest tests/wire tests/crypto tests/relay tests/swarm tests/real_peers/test_pairings.py

unit: ## the fast tests alone
	@tools/venv test dev
	.venv/bin/pytest -m "not peers and not netns and not slow" $(ARGS)

bench: ## our relay beside its peers under the same load; QUICK=1 for a rough look, ARGS for more
	@tools/venv test dev
	tools/compile
	.venv/bin/python -m bench $${QUICK:+--quick} $(ARGS)

docs-pictures: ## draw docs/*.svg from docs/*.dot; each ends with the hash of its source
	@tools/need graphviz
	for f in docs/*.dot; do \
	    svg=$${f%.dot}.svg; \
	    dot -Tsvg $$f -o $$svg || exit 1; \
	    echo "<!-- source: sha256 $$(sha256sum <$$f | cut -c1-64) -->" >>$$svg; \
	done

.PHONY: help run lint test compiled unit bench docs-pictures
