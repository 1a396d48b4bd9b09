"""Builds what runs as machine code: the modules of src/pointsman/native.py, for wheels and editable installs (hatchling
calls BuildHook), and in place by `python hatch_build.py` (`make run`, `make test`). It needs a C compiler and the headers of
Python, Cython for all but `_scan`; without them, or with POINTSMAN_PURE set, it says so in one line and all stays Python.

To add a module: its name in MODULES, a `.pxd` beside it that declares its classes (every attribute; `cpdef` methods without
generator expressions), `cimport`s without cycles. A declared class may have `__slots__`; one that was a
dataclass(slots=True) spells out its __init__, or is left undeclared. No module that defines a msgspec.Struct is declared,
and no constant that another module imports. Where a value may be of a class beneath the declared one (SecretBytes for
bytes), it is declared an object.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent
SOURCE = ROOT / "src"
FLAGS = ("-O2", "-g0", "-fPIC", "-fwrapv", "-fno-strict-aliasing", "-fvisibility=hidden", "-w")
ELF_FLAGS = ("-fno-plt", "-fno-semantic-interposition", "-Wl,-z,now")
"""Calls between modules and into Python go straight; linkers of other systems know no such words."""
DIRECTIVES = {"annotation_typing": False, "binding": False, "language_level": 3}


class Unable(Exception):
    """Why nothing can be built, or not all."""


def _native() -> ModuleType:
    """native.py alone: its package may want what is not installed yet."""
    spec = importlib.util.spec_from_file_location("pointsman_native", SOURCE / "pointsman" / "native.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__package__ = "pointsman"
    spec.loader.exec_module(module)
    return module


def _linker() -> list[str]:
    words = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    if os.environ.get("CC"):
        words[:1] = shlex.split(os.environ["CC"])
    if shutil.which(words[0]) is None:
        words[0] = "cc"
    if shutil.which(words[0]) is None:
        raise Unable("there is no C compiler")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise Unable("the headers of this Python are not installed")
    return words


_TRANSLATE = """
import json, sys
from Cython.Compiler.Main import CompilationOptions, compile, default_options
directives = json.loads(sys.argv[1])
for source, target in zip(sys.argv[2::2], sys.argv[3::2]):
    options = CompilationOptions(default_options, compiler_directives=dict(directives), output_file=target)
    if compile(source, options).num_errors:
        sys.exit(1)
"""
"""By one process for many modules: what Cython does before the first takes four times as long as a module."""


def _translate(native: ModuleType, modules: list[str], folder: Path) -> None:
    """Writes the C file of each module into the folder. Raises Unable."""
    words = []
    for module in modules:
        words += [str(native.sources(module)[0].relative_to(SOURCE)), str(folder / f"{module}.c")]
    made = subprocess.run(
        [sys.executable, "-c", _TRANSLATE, json.dumps(DIRECTIVES), *words],
        cwd=SOURCE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise Unable(f"Cython refuses a module: {made.stderr.strip()[-500:]}")


def _compile(native: ModuleType, module: str, stamp: str, linker: list[str], folder: Path) -> None:
    """From its C file, which is its source or stands in the folder."""
    target: Path = native.built(module)
    source: Path = native.sources(module)[0]
    if source.suffix != ".c":
        source = folder / f"{module}.c"
    made = folder / f"{module}.made"
    flags = (*FLAGS, *ELF_FLAGS) if sys.platform == "linux" else FLAGS
    include = f"-I{sysconfig.get_path('include')}"
    done = subprocess.run(
        [*linker, *flags, include, str(source), "-o", str(made)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unable(f"the compiler refuses {source.name}: {done.stderr.strip()[-500:]}")
    target.with_suffix(".stamp").unlink(missing_ok=True)  # so that no moment has a new stamp with an old file
    os.replace(made, target)
    target.with_suffix(".stamp").write_text(stamp)


def _make(native: ModuleType, modules: list[str], linker: list[str]) -> None:
    """On all cores. A module that is changed meanwhile has the stamp of what was read before."""
    stamps = {module: native.stamp_of(module) for module in modules}
    in_python = [module for module in modules if native.sources(module)[0].suffix != ".c"]
    many = os.cpu_count() or 1
    with (
        tempfile.TemporaryDirectory(dir=native.FOLDER) as name,
        ThreadPoolExecutor(many) as cores,
    ):
        folder = Path(name)
        shares = filter(None, (in_python[one::many] for one in range(many)))
        list(cores.map(lambda share: _translate(native, share, folder), shares))
        list(cores.map(lambda one: _compile(native, one, stamps[one], linker, folder), modules))


def build() -> list[Path]:
    """Build what is not there or was built from other sources. The files that are good then. Raises Unable."""
    native = _native()
    if native.wants_pure():
        raise Unable(f"{native.PURE} is set")
    linker = _linker()
    native.FOLDER.mkdir(exist_ok=True)
    lacking = [one for one in native.MODULES if not native.fresh(one)]
    has_cython = importlib.util.find_spec("Cython") is not None
    able = [one for one in lacking if has_cython or native.sources(one)[0].suffix == ".c"]
    if able:
        _make(native, able, linker)
    if not has_cython and any(one != native.MODULES[0] for one in lacking):
        raise Unable("Cython is not installed; only the C file was built")
    return files(native)


def files(native: ModuleType) -> list[Path]:
    """What was built for this Python."""
    found = [native.built(module) for module in native.MODULES]
    return [path for one in found if one.exists() for path in (one, one.with_suffix(".stamp"))]


def main() -> int:
    """Build in place; one line where that cannot be."""
    try:
        build()
    except Unable as error:
        sys.stdout.write(f"Pure Python runs where it is not compiled: {error}.\n")
    return 0


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by itself it needs no hatchling
    pass
else:

    class BuildHook(BuildHookInterface[Any]):
        """For wheels: what could be built goes into them; without a compiler they are pure."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """See hatchling's documentation of custom build hooks."""
            main()
            native = _native()
            found = [] if native.wants_pure() else files(native)
            if found and version != "editable":
                build_data["pure_python"] = False
                build_data["infer_tag"] = True
                for path in found:
                    build_data["force_include"][str(path)] = f"pointsman/_native/{path.name}"


if __name__ == "__main__":
    sys.exit(main())
