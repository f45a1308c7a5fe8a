"""Hashes of what a file says, not of how it was written; only the standard library is imported.

An exported run carries this folder, so that its hashes can be computed anew without our libraries.
Each kind of file has a module, and `content` picks one by the suffix. A library that a form needs
is imported where it is used.
"""

from fin_kedro.storage.canonical.content import content_hash
from fin_kedro.storage.canonical.json_form import canonical_json, json_hash
from fin_kedro.storage.canonical.notebook_form import (
    OCCASION,
    canonical_outputs,
    notebook_code_hash,
)
from fin_kedro.storage.canonical.paths import inside
from fin_kedro.storage.canonical.plain import NotRecomputable, file_hash

SHOWN = 12  # digits of a hash that are shown to people, the same everywhere

__all__ = [
    "OCCASION",
    "SHOWN",
    "NotRecomputable",
    "canonical_json",
    "canonical_outputs",
    "content_hash",
    "file_hash",
    "inside",
    "json_hash",
    "notebook_code_hash",
]
