"""Programs of others in other languages that benchmarks and judges run: fetched as locked, made once.

Each answers what is needed to run them, and raises ``SetUpError`` with one clear sentence where that can't
be had.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tools.debian import SetUpError
from tools.setup import ROOT, digest, make_venv, read_stamp, run


def python_environment(requirements: Path, venv: Path) -> Path:
    """The Python of a virtual environment *venv* with the packages that *requirements* locks by hash."""
    python, stamp = venv / "bin" / "python", venv / "foreign.json"
    wanted = {"requirements": digest(requirements)}
    if read_stamp(stamp) != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        print(f"setting up: Python packages of {requirements.name}", flush=True)
        make_venv(venv)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
        hashed = ["--require-hashes", "--only-binary", ":all:", "--requirement", str(requirements)]
        run([*pip, *hashed], ROOT, f"the packages of {requirements.name} could not be installed")
        stamp.write_text(json.dumps(wanted))
    return python


def java_project(folder: Path, target: Path) -> list[str]:
    """How to run a class of the Maven project in *folder*, compiled to *target* with what it depends on.

    The versions are those of its ``pom.xml``.
    """
    for program in ("java", "javac", "mvn"):
        if shutil.which(program) is None:
            raise SetUpError(f"there is no {program} on this machine")
    sources = sorted((folder / "src").rglob("*.java"))
    wanted = {str(path.relative_to(folder)): digest(path) for path in (folder / "pom.xml", *sources)}
    stamp = target / "foreign.json"
    if read_stamp(stamp) != wanted:
        shutil.rmtree(target, ignore_errors=True)
        print(f"setting up: Java packages of {folder.relative_to(ROOT)}", flush=True)
        maven = ["mvn", "--quiet", "--batch-mode", f"-Dvanthu.target={target.absolute()}"]
        run([*maven, "compile", "dependency:copy-dependencies"], folder, "Maven could not make it ready")
        stamp.write_text(json.dumps(wanted))
    return ["java", "-cp", f"{target.absolute()}/classes:{target.absolute()}/dependency/*"]
