"""Where a setting of conf stands: the file and its line, or the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

COMMAND_LINE = "--params"
ALL = "workflow"  # the name, in braces, of a section for workflows of every kind
Path_ = tuple[str | int, ...]


def heads_of(workflow: Any) -> list[Path_]:
    """The names under which a workflow's settings stand, the one that counts first."""
    return [(workflow.name,), (f"{{{workflow.kind}}}",), (f"{{{ALL}}}",)]


class ConfPlaces:
    """Looks settings up in the files that a loader reads; an environment's come before base's.

    Args:
        loader: a `ProjectConfigLoader`.
        key: which of its patterns: parameters, policy or workflows.
    """

    def __init__(self, loader: Any, key: str) -> None:
        self._conf = Path(loader.conf_source).resolve()
        self._envs = tuple(
            dict.fromkeys(str(e) for e in (loader.env or loader.default_run_env, loader.base_env))
        )
        self._patterns = loader.config_patterns[key]
        self._given = (loader.runtime_params or {}) if key == "parameters" else {}
        self._read: list[tuple[Path, yaml.Node]] | None = None

    def of(self, heads: Iterable[Path_], path: Path_) -> str | None:
        """The place that gives a setting its value: ``conf/base/x.yml, line 5`` or ``--params``.

        Args:
            heads: under which names the path may stand, the one that counts first.
            path: the steps below a head.
        """
        for head in heads:
            whole = (*head, *path)
            if is_stated(self._given, whole):
                return COMMAND_LINE
            for file, root in self._files():
                line = _line(root, whole)
                if line is not None:
                    return f"{self._named(file)}, line {line}"
        return None

    def nearest(self, heads: Sequence[Path_], path: Path_) -> str | None:
        """The place of the longest part of a path that is stated below a head."""
        for length in range(len(path), -1, -1):
            wanted = [head for head in heads if length or head]
            if place := self.of(wanted, path[:length]):
                return place
        return None

    def own_file(self, name: str) -> str:
        """Where a setting that no file has yet belongs."""
        return f"{self._conf.name}/{self._envs[0]}/{name}"

    def _files(self) -> Iterator[tuple[Path, yaml.Node]]:
        if self._read is None:
            self._read = [
                (file, node)
                for env in self._envs
                for file in sorted(
                    {f for p in self._patterns for f in (self._conf / env).glob(p) if f.is_file()}
                )
                if (node := yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader))
            ]
        yield from self._read

    def _named(self, file: Path) -> str:
        return file.relative_to(self._conf.parent).as_posix()


def is_stated(content: Any, path: Sequence[str | int]) -> bool:
    """Whether a mapping states a path."""
    for step in path:
        listed = isinstance(content, list) and isinstance(step, int) and step < len(content)
        if not listed and not (isinstance(content, Mapping) and step in content):
            return False
        content = content[step]
    return True


def value_at(content: Any, path: Sequence[str | int]) -> Any:
    """What a mapping states at a path; it must (see `is_stated`)."""
    for step in path:
        content = content[step]
    return content


def _line(node: yaml.Node | None, path: Sequence[str | int]) -> int | None:
    """The line on which a path ends, from 1."""
    mark = node.start_mark if node is not None else None
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pairs = [(k, v) for k, v in node.value if k.value == str(step)]
            if not pairs:
                return None
            key, node = pairs[-1]
            mark = key.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            if step >= len(node.value):
                return None
            node = node.value[step]
            mark = node.start_mark
        else:
            return None
    return None if mark is None else mark.line + 1
