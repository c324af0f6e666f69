"""Publishing: the current schemas that say something new become versions of the history.

Decides: the next version's number and its id (one more than the highest so far), and writes both. Leaves to others: whether the change is
allowed, which is checked first (schemas.compatibility).
"""

import json
from pathlib import Path

from schemas.bundled import Version, fingerprint, load_bundle, same_meaning


def publish(root: Path) -> list[str]:
    """Write a history version of every current schema that differs from its newest one. Gives their names."""
    bundle = load_bundle(root)
    rows: list[tuple[int, str, int, str]] = [entry[:4] for entry in bundle.history.values()]
    published = []
    for name, text in bundle.current.items():
        newest = bundle.newest(name)
        if newest is not None and same_meaning(newest.text, text):
            continue
        version = newest.version + 1 if newest else 1
        folder = root / "history" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{version}.avsc").write_text(text, encoding="utf-8")
        rows.append((max((row[0] for row in rows), default=0) + 1, name, version, fingerprint(text)))
        published.append(name)
    if published:
        lines = ",\n".join(f"    {json.dumps(dict(zip(Version._fields, row, strict=False)))}" for row in sorted(rows))
        (root / "history" / "ids.json").write_text(f'{{\n  "schemas": [\n{lines}\n  ]\n}}\n', encoding="utf-8")
    return published
