"""The jars of the real Kafka that runs on this machine, by Maven.

Decides: how they are kept (a folder a version, so that a new pom.xml does not meet old jars), and that a copy cut short is not taken for a
whole one. Leaves to others: which jars (infra/kafka/pom.xml), Java itself, what is done with them.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

RESOLVE_S_MAX = 600
"""43 MB from a slow mirror still fit."""


class KafkaMissing(Exception):
    """Kafka could not be had: no Java, no Maven, no network. The message says what to install."""


def resolved_jars(pom: bytes, kept_in: Path) -> Path:
    """Give the folder of Kafka's jars; the first call has Maven copy them, later ones find them. Raises KafkaMissing."""
    if shutil.which("java") is None:
        raise KafkaMissing(
            "Java 17 or newer is needed and was not found (on Debian and Ubuntu: apt install openjdk-17-jre-headless)"
        )
    folder = kept_in / hashlib.sha256(pom).hexdigest()[:16]
    if folder.is_dir():
        return folder
    kept_in.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", suffix=".tmp", dir=kept_in))
    try:
        _copy(pom, unfinished)
        (unfinished / "jars").rename(folder)
    except OSError as failed:
        # Another first use was quicker, and its copy is as good; anything else is a disk that cannot hold them.
        if not folder.is_dir():
            raise KafkaMissing(f"Kafka's jars could not be kept in {kept_in}: {failed.strerror or failed}") from failed
    finally:
        shutil.rmtree(unfinished)
    return folder


def _copy(pom: bytes, folder: Path) -> None:
    described = folder / "pom.xml"
    described.write_bytes(pom)
    asked = ["mvn", "-B", "-q", "-f", str(described), "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}"]
    try:
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RESOLVE_S_MAX, check=False)
    except FileNotFoundError as error:
        raise KafkaMissing(
            "Maven is needed to fetch Kafka and was not found (on Debian and Ubuntu: apt install maven)"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise KafkaMissing(f"Maven did not fetch Kafka within {RESOLVE_S_MAX} s") from error
    if done.returncode:
        raise KafkaMissing(f"Maven could not fetch Kafka: {(done.stdout + done.stderr).strip()[-800:]}")
