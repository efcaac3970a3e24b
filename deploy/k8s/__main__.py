"""`python -m deploy.k8s`: writes the plain manifests beside this file, rendered from the chart.

One file a template of the chart. A test renders them again and compares byte for byte.
"""

from __future__ import annotations

import sys

from deploy.k8s.manifests import FOLDER, manifests


def main() -> int:
    """Write every manifest and remove those that are no more."""
    rendered = manifests()
    for path in FOLDER.glob("*.yaml"):
        if path.name not in rendered:
            path.unlink()
    for name, text in rendered.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {len(rendered)} files to {FOLDER}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
