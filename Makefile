# The two commands of the README are `make run` and `make test`; `make help` lists all.
.POSIX:

TARGET = mipsel_24kc
CONTAINERS = x86_64 aarch64_cortex-a53 arm_cortex-a7_neon-vfpv4
DEB_TARGETS = x86_64 aarch64_cortex-a53 arm_cortex-a7_neon-vfpv4
BINARY_OF = $${BINARY:-dist/kwaainet-$(TARGET)}
# Most tests wait for others more than for the processor: more workers than processors.
PARALLEL = -n $${WORKERS:-3} --dist worksteal

help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

run: ## install into .venv and start a relay node with its state in ./kwaainet-data
	@tools/venv
	@exec .venv/bin/kwaainet run --data-dir kwaainet-data $(ARGS)

format: ## format the sources, and mend what ruff can
	@tools/venv test dev
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

lint: ## check format, lint and strict types
	@tools/venv test dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

test: lint ## everything CI runs: lint, types, unit, fuzz-smoke, real peers, compiled hot path, binaries
	@tools/need @test
	@tools/headers
	.venv/bin/python -m tests.counterparts
	.venv/bin/pytest $(PARALLEL) -m "not alone" $(ARGS)
	.venv/bin/pytest -m alone $(ARGS)
	$(MAKE) --no-print-directory compiled

# Without what has no compiled module below it: files, names, interfaces.
COMPILED = tests/wire tests/crypto tests/relay tests/swarm tests/real_peers/test_pairings.py \
    --ignore-glob='tests/swarm/test_peerstore*' --ignore-glob='tests/swarm/test_dns*' \
    --ignore-glob='tests/swarm/test_interfaces*' --ignore=tests/crypto/test_atomic.py \
    --ignore=tests/crypto/test_identity.py --ignore=tests/crypto/test_sanitized.py

compiled: ## the same suite's fast and relay tests on the hot path compiled with Cython
	@tools/venv test dev
	tools/compile
	cd build/compiled && ../../.venv/bin/pytest $(PARALLEL) $(COMPILED)

unit: ## the fast tests: no peers, no namespaces, no browser, no binaries
	@tools/venv test dev
	@tools/headers
	.venv/bin/pytest tests $(PARALLEL) --hypothesis-profile=quick \
	    -m "not (peers or netns or browser or slow or alone)" $(ARGS)

fuzz: ## every codec and state machine under atheris, SECONDS=60 each; ARGS for single targets
	@tools/venv test fuzz
	.venv/bin/python -m tests.fuzz.run --seconds $${SECONDS:-60} $(ARGS)

bench: ## our relay beside its peers under the same load; QUICK=1 for a rough look, ARGS for more
	@tools/venv test dev
	tools/compile
	tools/pinned -m cross x86_64
	.venv/bin/python -m bench $${QUICK:+--quick} $(ARGS)

binary: ## the static binary for one router architecture, TARGET=mipsel_24kc: dist/kwaainet-TARGET
	tools/pinned -m cross $(TARGET)

binaries: ## the static binaries for all of them
	tools/pinned -m cross all

qemu-test: ## build and test the binaries for mipsel_24kc and x86_64, or QEMU=all
	@tools/need @binary
	@tools/venv test dev
	.venv/bin/pytest qemu_tests $${QEMU:+--targets $$QEMU} $(ARGS)

images-test: ## whole machines, images, a cluster's API: the Debian package, containers, updates, the chart
	@tools/need @binary @images
	@tools/venv test dev
	.venv/bin/pytest images_tests $(ARGS)

footprint: ## size, memory and start of the binaries beside others, as a table
	@tools/need @footprint
	@tools/venv test dev
	tools/pinned -m cross all
	.venv/bin/python -m bench.footprint $(ARGS)

release: ## all binaries, tested, with licences, bills of materials and checksums, in dist/
	@tools/need @binary
	@tools/venv test dev
	tools/release

audit: ## what is linked into the binaries, and which advisories concern it (docs/audit.md)
	@tools/pinned -m cross.audit

ipk: ## dist/kwaainet_VERSION_TARGET.ipk of TARGET=mipsel_24kc (or another) and BINARY=its file
	@tools/venv
	.venv/bin/python -m openwrt.package ipk $(TARGET) $(BINARY_OF) dist

luci-ipk: ## dist/luci-app-kwaainet_VERSION_all.ipk, the LuCI app, and its translations
	@tools/venv
	.venv/bin/python -m openwrt.package luci-ipk dist

luci-apk: ## the same as .apk, signed with the keys in FEED_KEYS
	@tools/venv
	.venv/bin/python -m openwrt.package luci-apk dist

luci-po: ## bring the LuCI app's translations up to date with its views
	@tools/venv
	.venv/bin/python -m openwrt.package luci-po

containers: ## the relay's image for amd64, arm64 and arm/v7, or some: CONTAINERS=x86_64
	@tools/venv
	for target in $(CONTAINERS); do tools/pinned -m cross $$target || exit 1; done
	.venv/bin/python -m containers.image dist $(CONTAINERS)

balena: ## dist/balena for `balena push`, with the binaries of CONTAINERS
	for target in $(CONTAINERS); do tools/pinned -m cross $$target || exit 1; done
	balena/assemble dist $(CONTAINERS)

deb: ## dist/kwaainet_VERSION_ARCH.deb for amd64, arm64, armhf, or one: DEB_TARGETS=x86_64
	@tools/venv
	for target in $(DEB_TARGETS); do \
	    tools/pinned -m cross $$target || exit 1; \
	    .venv/bin/python -m debian.package $$target dist/kwaainet-$$target dist || exit 1; \
	done

tarball: ## dist/kwaainet_VERSION_TARGET.tar.gz, and dist/update for `kwaainet update` (docs/update.md)
	@tools/need @feed
	for target in $(DEB_TARGETS); do tools/pinned -m cross $$target || exit 1; done
	tools/tarball $(DEB_TARGETS)

feed: ## dist/feed/TARGET for opkg, signed with the keys in FEED_KEYS (docs/openwrt.md)
	@tools/need @feed
	@tools/venv
	.venv/bin/python -m openwrt.package feed $(TARGET) $(BINARY_OF) dist/feed

apk: ## dist/apk/TARGET for apk (OpenWrt 25.12 and later), signed likewise
	@tools/venv
	.venv/bin/python -m openwrt.package apk $(TARGET) $(BINARY_OF) dist/apk

luci-schema: ## the options of LuCI's page "Settings", from the schema
	@tools/venv
	.venv/bin/python -m openwrt.luci

esp32: ## images for an ESP32's flash, and its modules, for each of its processors, in dist/esp32
	@tools/venv test
	.venv/bin/python -m esp32.images

docs: docs-pictures ## all of docs/ that is generated: options, a plot of the modes, pictures
	@tools/venv test
	@mkdir -p build
	.venv/bin/python -m edge.config.render >build/configuration.md
	.venv/bin/python -m tests.tiers.plot >build/modes.svg
	mv build/configuration.md build/modes.svg docs/

docs-pictures: ## draw docs/*.svg from docs/*.dot; each ends with the hash of its source
	@tools/need @docs
	for f in docs/*.dot; do \
	    svg=$${f%.dot}.svg; \
	    dot -Tsvg $$f -o $$svg || exit 1; \
	    echo "<!-- source: sha256 $$(sha256sum <$$f | cut -c1-64) -->" >>$$svg; \
	done

# Of LuCI the stand-in in tests/luci, whose look is not the real one's.
screenshots: ## docs/images, and where the views of LuCI have what (tests/luci/layouts); look before you commit
	@tools/need @test
	@tools/venv test
	KWAAINET_LAYOUTS=write .venv/bin/pytest tests/luci/test_look.py
	@mkdir -p docs/images
	for view in overview settings peers log; do \
	    cp build/screenshots/look-$$view-desktop.png docs/images/luci-$$view.png || exit 1; \
	done
	cp build/screenshots/look-overview-phone.png docs/images/luci-overview-phone.png

.PHONY: help run lint test compiled unit fuzz bench binary binaries qemu-test footprint release
.PHONY: audit balena tarball containers deb images-test esp32 format ipk luci-ipk luci-apk luci-po luci-schema feed apk docs docs-pictures screenshots
