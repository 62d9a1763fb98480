"""Makes a fresh checkout ready: ``python3 -m tools.setup [--quickest] PURPOSE|lock|clean``.

Each step first looks whether it is done, so a second run costs a fraction of a second.  Runs before
there is a virtual environment: standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import debian
from tools.debian import SetUpError
from tools.interpreter import quickest

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
NODE_CLIENT = ROOT / "tests" / "node"

NEEDS: Mapping[str, tuple[debian.Need, ...]] = {
    "check": (),
    "run": (debian.BROKER, debian.FONT),
    "demo": (debian.BROKER, debian.PDF_JUDGE, debian.FONT),
    "bench-sign": (debian.PDF_JUDGE, debian.FONT, debian.NODE),
    "judge": (debian.PDF_JUDGE, debian.SIGNATURE_JUDGES, debian.FONT, debian.JAVA),
    "test": (
        debian.BROKER,
        debian.PDF_JUDGE,
        debian.SIGNATURE_JUDGES,
        debian.FONT,
        debian.POSTGRES,
        debian.NODE,
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Do what one word asks for; the exit code is 1 with one clear sentence where that can't be done."""
    try:
        match arguments:
            case ["--quickest", *rest]:
                python = chosen()
                if python != sys.executable:
                    os.execv(python, [python, "-m", "tools.setup", *rest])
                return main(rest)
            case [purpose] if purpose in NEEDS:
                prepare(purpose)
            case ["lock", *rest]:
                lock(rest)
            case ["clean"]:
                clean()
            case _:
                purposes = "|".join(NEEDS)
                print(f"usage: python3 -m tools.setup [--quickest] {purposes}|lock|clean", file=sys.stderr)
                return 2
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def prepare(purpose: str) -> None:
    """Everything that *purpose* needs; what is there already is not touched."""
    debian.meet(NEEDS[purpose])
    make_environment()
    if purpose == "test":
        install_node_client()


def chosen(venv: Path = VENV) -> str:
    """The Python that makes the environment, or has made the one that is here."""
    made = read_stamp(venv / "set-up.json").get("executable", "")
    return made if os.access(made, os.X_OK) else quickest()


def make_environment(root: Path = ROOT, venv: Path = VENV) -> bool:
    """The virtual environment with the locked dependencies and the project; whether anything was done."""
    stamp = venv / "set-up.json"
    wanted, made = _wanted(root), read_stamp(stamp)
    if is_made(root, venv):
        return False
    print(f"setting up: {venv.name} with Python {sys.version.split()[0]}", flush=True)
    stamp.unlink(missing_ok=True)
    python = venv / "bin" / "python"
    is_ours = all(made.get(key, wanted[key]) == wanted[key] for key in ("root", "python"))
    if not (is_ours and _works(python)):
        shutil.rmtree(venv, ignore_errors=True)
        make_venv(venv)
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
    # Wheels only: building one would fetch tools that no hash vouches for.
    hashed = ["--require-hashes", "--only-binary", ":all:", "--requirement", "requirements.txt"]
    run([*pip, *hashed], root, "the locked dependencies could not be installed")
    # setuptools, which builds the project, is locked among them.
    run([*pip, "--no-deps", "--no-build-isolation", "--no-index", "--editable", "."], root, "the project")
    stamp.write_text(json.dumps(wanted | {"executable": sys.executable}, indent=2))
    return True


def is_made(root: Path = ROOT, venv: Path = VENV) -> bool:
    """Whether *venv* was made here, by this Python, for the dependencies that are locked now."""
    made = read_stamp(venv / "set-up.json")
    made.pop("executable", None)  # within the environment it has another path
    return made == _wanted(root)


def install_node_client(folder: Path = NODE_CLIENT, what: str = "the tests' Node client") -> bool:
    """The packages of a program for Node in *folder*, as locked; whether anything was done."""
    stamp = folder / "node_modules" / ".set-up.json"
    wanted = {"lock": digest(folder / "package-lock.json")}
    if read_stamp(stamp) == wanted:
        return False
    print(f"setting up: {what}", flush=True)
    run(["npm", "ci", "--silent"], folder, f"npm could not install {what}")
    stamp.write_text(json.dumps(wanted))
    return True


def lock(arguments: Sequence[str]) -> None:
    """Lock the dependencies of ``pyproject.toml`` anew, by hash; *arguments* go to pip-compile."""
    tools = ROOT / "var" / "lock"
    if not _works(tools / "bin" / "pip-compile"):
        shutil.rmtree(tools, ignore_errors=True)
        make_venv(tools)
        pip = [
            str(tools / "bin" / "python"),
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "install",
        ]
        run([*pip, "pip-tools>=7.5"], ROOT, "pip-tools could not be installed")
    compile_ = [
        str(tools / "bin" / "pip-compile"),
        "--quiet",
        "--generate-hashes",
        "--strip-extras",
        "--no-header",
    ]
    compile_ += ["--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host", "--no-emit-options"]
    compile_ += ["--allow-unsafe", *arguments]
    everything = ["--extra", "dev", "--all-build-deps"]
    for output, options, source in (
        ("requirements.txt", everything, "pyproject.toml"),
        # The image carries what runs, in the same versions, and no tools.
        (
            "docker/requirements.txt",
            ["--constraint", "requirements.txt", "--all-build-deps"],
            "pyproject.toml",
        ),
        # Libraries that are measured beside ours, and that nothing of ours uses.
        ("benchmarks/sign/peers.txt", [], "benchmarks/sign/peers.in"),
    ):
        run([*compile_, *options, "--output-file", output, source], ROOT, "pip-compile failed")


def clean(root: Path = ROOT) -> None:
    """Remove all that the set-up and the programs made.  Refuses while a private broker runs here."""
    for held in (root / "var").rglob("lock"):
        if held.is_file():
            with held.open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise SetUpError(f"{held.parent} is in use: stop what runs there first") from None
    caches = [".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis"]
    modules = ["tests/node/node_modules", "benchmarks/sign/node/node_modules"]
    for name in (".venv", "var", *modules, "vanthu.egg-info", "build", *caches):
        shutil.rmtree(root / name, ignore_errors=True)


def make_venv(folder: Path) -> None:
    """A virtual environment in *folder*, with pip.  Raises ``SetUpError``."""
    if importlib.util.find_spec("ensurepip") is None:
        # Debian ships Python without it.
        name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        debian.meet(
            [
                debian.Need(
                    packages=(name,),
                    is_met=_has_ensurepip,
                    en="Python's module for virtual environments",
                    vi="mô-đun môi trường ảo của Python",
                )
            ]
        )
    run([sys.executable, "-m", "venv", str(folder)], ROOT, "Python could not make a virtual environment")


def _has_ensurepip() -> bool:
    # Asked of a new process: this one has looked before the package was there.
    asked = subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False)
    return asked.returncode == 0


def run(command: Sequence[str], folder: Path, what: str) -> None:
    """Run *command* in *folder*; where it fails, ``SetUpError`` says *what* and its last words."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SetUpError(f"{what}: `{' '.join(command)}` said:\n{done.stdout.strip()[-3000:]}")


def _works(program: Path) -> bool:
    """Whether *program* can be run: a script's interpreter may be gone though the file is there."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _wanted(root: Path) -> dict[str, str]:
    return {
        # A virtual environment holds absolute paths: in a checkout that was moved it is another one's.
        "root": str(root),
        "python": f"{sys.version} {sys.base_prefix}",
        "requirements": digest(root / "requirements.txt"),
        "project": digest(root / "pyproject.toml"),
    }


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_stamp(path: Path) -> dict[str, str]:
    """What was noted in the file *path*; nothing where there is no such note."""
    try:
        stamp: dict[str, str] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return stamp


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
