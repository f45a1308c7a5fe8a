"""The package that seals what the engine executed, found by an entry point, if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from papermill.iorw import papermill_io
from papermill.log import logger

SEALER = "sealed_kernel.sealer"


class Sealer(Protocol):
    """Seals one execution: `ask` goes to the kernel at its end, `seal` gets what was executed."""

    ask: Mapping[str, str]

    def seal(self, executed: Any) -> None:
        """Put a seal into an executed notebook's metadata."""


def find_sealer(nb: Any, input_path: str | None) -> Sealer | None:
    """What seals this execution, by the entry point `sealed_kernel.sealer`; None without one.

    It is made of the notebook and its file. A notebook that comes from no file (standard input,
    another machine) is not sealed.
    """
    source = _source(input_path)
    for point in entry_points(group=SEALER) if source else ():
        try:
            made: Sealer = point.load()(nb, source)
        except ImportError as error:
            logger.warning("not sealed: %s cannot be imported (%s)", point.value, error)
        else:
            return made
    return None


def seal_executed(sealer: Sealer | None, nb: Any) -> None:
    """Seal; whatever goes wrong with that, what was executed is kept."""
    if sealer is None:
        return
    try:
        sealer.seal(nb)
    except Exception as error:
        logger.warning("the seal is not complete: %s: %s", type(error).__name__, error)


def _source(input_path: str | None) -> Path | None:
    """The notebook's file; papermill may have changed the folder since it read it."""
    read_in = getattr(papermill_io.get_handler("."), "_cwd", None)
    places = [Path(folder, str(input_path)) for folder in (read_in, ".") if folder]
    return next((place.resolve() for place in places if input_path and place.is_file()), None)
