"""python -m containers.image OUT [TARGET...]

Of the binaries OUT/kwaainet-TARGET writes OUT/kwaainet-relay.oci, an OCI layout with one index of
all, and for each OUT/kwaainet-relay_VERSION_ARCH.tar, for `docker load`.
"""

import shutil
import sys
from pathlib import Path

from containers.image import oci, relay
from edge.version import VERSION
from openwrt.package.recipe import epoch


def main(words: list[str]) -> int:
    if not words or not set(words[1:]) <= set(relay.PLATFORMS):
        print(__doc__, end="", file=sys.stderr)
        return 2
    out = Path(words[0])
    try:
        _write(out, words[1:] or list(relay.PLATFORMS))
    except OSError as error:
        print(f"containers.image: {error}", file=sys.stderr)
        return 1
    return 0


def _write(out: Path, targets: list[str]) -> None:
    when = epoch()
    images = [relay.image(target, out / f"kwaainet-{target}", when) for target in targets]
    directory = out / f"{relay.NAME}.oci"
    shutil.rmtree(directory, ignore_errors=True)
    files = oci.layout(images, VERSION)
    for path, data in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    print(f"{directory}: {len(images)} platforms, {sum(map(len, files.values()))} bytes")
    for image in images:
        arch = f"{image.platform.architecture}{image.platform.variant}"
        file = out / f"{relay.NAME}_{VERSION}_{arch}.tar"
        file.write_bytes(oci.archive(image, f"localhost/{relay.NAME}:{VERSION}"))
        print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
