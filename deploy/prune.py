"""Removes from installed packages what no command of piapp opens, so that a node takes less of its card.

usage: prune.py SITE_PACKAGES

The Debian packages and the container are made with it. Licences and the packages' metadata stay. An environment that
pip made is left whole: pip would report the missing files.
"""

import sys
from fnmatch import fnmatchcase
from pathlib import Path

# Each reason with the files that it holds for; a star stands for folders too.
UNNEEDED = {
    "LiteRT's accelerators, its compilers for the chips of telephones, and the library that only these need: piapp "
    "runs models on the processor": (
        "ai_edge_litert/libLiteRt*.so",
        "ai_edge_litert/aot/*",
        "ai_edge_litert/tools/*",
        "ai_edge_litert/vendors/*",
    ),
    "tests and examples of other packages": (
        "numpy/tests/*",
        "numpy/*/tests/*",
        "numpy/_core/_simd.*.so",  # only those tests import it
        "matplotlib/tests/*",
        "matplotlib/mpl-data/sample_data/*",
        "mpl_toolkits/*/tests/*",
        "mediapipe/tasks/python/test/*",
    ),
    "what builds programs on NumPy": (
        "numpy/distutils/*",
        "numpy/f2py/*",
        "numpy/_pyinstaller/*",
        "numpy/_core/include/*",
        "numpy/*/lib/*.a",
    ),
    "what compilers and type checkers read": ("*.pyi", "*.pxd", "*.pyx", "*.h", "*.c"),
    "what describes models for MediaPipe": ("mediapipe/tasks/metadata/*",),
}


def unneeded(file: str) -> bool:
    """Whether no command opens a file, by its path below site-packages."""
    return any(fnmatchcase(file, pattern) for patterns in UNNEEDED.values() for pattern in patterns)


def prune(site: Path) -> None:
    """Remove these files, and the folders that are empty without them."""
    for path in sorted(site.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif unneeded(path.relative_to(site).as_posix()):
            path.unlink()


if __name__ == "__main__":
    prune(Path(sys.argv[1]))
