"""Which files and folders are loaded, by their names and by the patterns of the user. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from asyncload.model.values import ExcludedReason
from asyncload.source.globs import Glob, GlobRules
from asyncload.source.name_kinds import FileKind, compressed_csv, file_kind, folder_kind


class Selection:
    """Judges paths of the volume. Each pattern that matches one counts as used.

    Args:
        include: path patterns (see `globs`); if there are any, only files that match one are
            loaded. One that spells the name of a hidden or temporary entry has it loaded.
        exclude: path patterns of files and folders that are not loaded.
        compressed: whether compressed CSVs are loaded, as they are.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], *, compressed: bool) -> None:
        self._include = GlobRules(include)
        self._exclude = GlobRules(exclude)
        self._compressed = compressed

    @property
    def unused_rules(self) -> list[str]:
        """The patterns that have not matched anything so far, each with its option."""
        return [
            f"{option} {pattern!r}"
            for option, rules in (("--include", self._include), ("--exclude", self._exclude))
            for pattern in rules.unused
        ]

    def excludes(self, path: str) -> bool:
        """Return whether a pattern excludes the file at a path."""
        return bool(self._exclude) and self._exclude.match(path)

    def includes(self, path: str) -> bool:
        """Return whether the file at a path is among the included ones."""
        return not self._include or self._include.match(path)

    def reaches(self, folder: str) -> bool:
        """Return whether a file below a folder may be among the included ones."""
        return not self._include or self._include.reach(folder)

    def use_excludes(self, path: str) -> None:
        """Count the patterns that exclude a path as used, if any is still unused."""
        if not self._exclude.all_used:
            self._exclude.match(path)

    def judge_file(self, path: str, kind: FileKind) -> ExcludedReason | None:
        """Return why a file of a kind is not loaded, apart from `includes`; None if it is."""
        if self.excludes(path):
            return "hidden" if kind == "hidden" else "excluded"
        if kind in ("hidden", "temporary") and not self._asked_for(path, kind):
            return kind
        return None

    def judge_folder(self, path: str, *, at_root: bool) -> ExcludedReason | None:
        """Return why a folder is not entered, apart from `reaches`; None if it is.

        `at_root`: it is at the root of the volume.
        """
        kind = folder_kind(path.rpartition("/")[2], at_root=at_root)
        if self._exclude and self._exclude.cover(path):
            return "hidden" if kind == "hidden" else "excluded"
        return kind if kind is not None and not self._folder_asked_for(path, kind) else None

    def loads_compressed(self, name: str) -> bool:
        """Return whether a compressed file is loaded as it is."""
        return self._compressed and compressed_csv(name) is not None

    def _asked_for(self, path: str, kind: ExcludedReason) -> bool:
        return any(
            glob.matches(path) and glob.names(lambda name: file_kind(name) == kind)
            for glob in self._include.globs
        )

    def _folder_asked_for(self, path: str, kind: ExcludedReason) -> bool:
        def asks(glob: Glob) -> bool:
            return glob.reaches(path) and glob.names(
                lambda name: folder_kind(name, at_root=True) == kind
            )

        return any(not glob.by_name and asks(glob) for glob in self._include.globs)


class MemberSelection:
    """Judges members of an archive by the path that they have without it, and by their folders.

    Args:
        selection: judges that path. If a pattern includes the archive's own path, it includes all
            of its members.
        archive: the archive's path.
    """

    def __init__(self, selection: Selection, archive: str) -> None:
        self._selection = selection
        self._archive = archive
        self._above = archive[: archive.rfind("/") + 1]
        self._judged: dict[str, ExcludedReason | None] = {"": None}

    def __call__(self, name: str) -> ExcludedReason | None:
        """Return why the member with a name is not loaded; None if it is."""
        folder, _, last = name.rpartition("/")
        if reason := self._judge_folder(folder):
            return reason
        selection, path, kind = self._selection, self._above + name, file_kind(last)
        if reason := selection.judge_file(path, kind):
            return reason
        if not selection.includes(path) and not selection.includes(self._archive):
            return "excluded"
        packed = kind == "compressed" and not selection.loads_compressed(last)
        return "compressed" if packed else None

    def _judge_folder(self, folder: str) -> ExcludedReason | None:
        if folder not in self._judged:
            above, _, name = folder.rpartition("/")
            reason = self._judge_folder(above)
            # A name that leads out of the archive is not hidden: the member is refused.
            if reason is None and name not in (".", ".."):
                reason = self._selection.judge_folder(self._above + folder, at_root=False)
            # Archives of macOS have a hidden file in this folder for each of their files.
            if reason == "system folder" and name == "__MACOSX":
                reason = "hidden"
            self._judged[folder] = reason
        return self._judged[folder]


class ListedMembers:
    """Judges members of an archive that the user listed: only options exclude them.

    The arguments are as for `MemberSelection`.
    """

    def __init__(self, selection: Selection, archive: str) -> None:
        self._selection = selection
        self._archive = archive
        self._above = archive[: archive.rfind("/") + 1]

    def __call__(self, name: str) -> ExcludedReason | None:
        """Return why the member with a name is not loaded; None if it is."""
        selection, path = self._selection, self._above + name
        if selection.excludes(path):
            return "excluded"
        if not selection.includes(path) and not selection.includes(self._archive):
            return "excluded"
        last = name.rpartition("/")[2]
        packed = file_kind(last) == "compressed" and not selection.loads_compressed(last)
        return "compressed" if packed else None
