"""Where unfinished files and folders lie, and how what a kill left is removed.

An unfinished ``NAME`` lies in the folder ``.NAME.HOST-PID-COUNT.part`` beside it, under
its own name: libraries choose a format by it, and some write temporary files there.
"""

import itertools
import os
import platform
import re
import shutil
import time
from pathlib import Path

from micrec_pyg.storage.failures import PART

OLD_S = 24 * 3600.0
"""Age from which a part of another machine, or of a reused process id, is left over."""
CLOCKS_S = 2.0
"""How far apart the clocks of processes and of files may be."""
# most file systems allow 255 bytes, and host, numbers and suffix need some
_LONGEST = 150
_count = itertools.count()


def part_folder(path: Path) -> Path:
    """Return the folder, not made yet, in which this process may write ``path``."""
    name = path.name.encode()[:_LONGEST].decode(errors="ignore")
    return path.with_name(f".{name}.{_host()}-{os.getpid()}-{next(_count)}.part")


def remove_stale_parts(folder: Path) -> None:
    """Remove what processes that are no more left unfinished in a folder."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if PART.fullmatch(path.name) and _is_stale(path):
            # another process may remove it too, and a folder may be read-only
            shutil.rmtree(path, ignore_errors=True)


def _is_stale(part: Path) -> bool:
    host, number, _ = part.name.removesuffix(".part").rpartition(".")[2].rsplit("-", 2)
    if host == _host() and not _is_alive(int(number)):
        return True
    try:
        changed = part.stat().st_mtime
    except FileNotFoundError:
        return False
    if host == _host() and _started(int(number)) > changed + CLOCKS_S:
        return True  # another process has the number now
    return time.time() - changed > OLD_S


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _started(process: int) -> float:
    """Return when a process began, in seconds since 1970; 0 where nobody can tell."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        boot = Path("/proc/stat").read_text(encoding="utf-8")
    except OSError:  # it is no more, or this is not Linux
        return 0.0
    ticks = int(stat.rpartition(")")[2].split()[19])
    begin = int(boot.partition("\nbtime ")[2].split()[0])
    return begin + ticks / os.sysconf("SC_CLK_TCK")


def _host() -> str:
    """Return a name of this machine that can be part of a file's name."""
    return re.sub(r"[^A-Za-z0-9]", "_", platform.node())[:30] or "host"
