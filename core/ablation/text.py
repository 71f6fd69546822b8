"""The text tokenizers of a study: one for all cells whose text settings are equal, so that their losses compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from ..compose import compose
from ..errors import Problem, UsageError
from ..model.processor import Processor
from ..recipe.write import part_table
from ..storage.atomic import new_folder, write_files
from ..storage.digest import file_digest
from ..storage.json_files import read_json, write_json
from ..storage.locate import model_folder
from ..train.data.sources import open_sources
from ..train.run.preparation import texts_of
from .keys import digest_of
from .study import Cell, Study

FILE, SOURCES = "tokenizer.json", "learned.json"


@frozen(eq=False)
class TextGroup:
    """Cells with equal text settings. ``digest`` names the folder of their tokenizer."""

    digest: str
    cells: tuple[Cell, ...]

    def folder(self, tokenizers: Path) -> Path:
        return tokenizers / self.digest[:16]


def text_groups(study: Study) -> list[TextGroup]:
    """The groups of a study. Cells that name a tokenizer of their own in ``[start]`` belong to none."""
    groups: dict[str, list[Cell]] = {}
    for cell in study.cells:
        if "text" not in cell.recipe.start:
            groups.setdefault(_digest(study, cell), []).append(cell)
    return [TextGroup(digest, tuple(cells)) for digest, cells in groups.items()]


def _digest(study: Study, cell: Cell) -> str:
    recipe = cell.recipe
    vocabulary = getattr(recipe.text.config, "vocabulary", 0) or compose(recipe).hidden.vocabulary
    return digest_of([part_table(recipe.text), part_table(recipe.layout), vocabulary, study.settings.tokenizer])


def _sources(study: Study) -> list[object]:
    """The distinct sources that any cell is trained on, with their settings, in an order of their own."""
    found = {(name, digest_of(table)): table for name, table in _tables(study)}
    return [[name, table] for (name, _), table in sorted(found.items())]


def _tables(study: Study) -> Iterator[tuple[str, object]]:
    for cell in study.cells:
        for stage in cell.stages:
            for name in cell.recipe.stages[stage].sources:
                yield name, part_table(cell.recipe.sources[name])


def prepare_text(study: Study, tokenizers: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """Make the tokenizers that are missing, and return the folder of each cell's.

    A tokenizer that was learned stays as it is when cells are added, so that they compare with those that are done.

    Raises:
        UsageError: the study's ``tokenizer`` names no model with a text tokenizer.
        RecipeError: a source cannot be opened.
    """
    folders: dict[str, Path] = {}
    for group in text_groups(study):
        folder = group.folder(tokenizers)
        if not (folder / FILE).is_file():
            if study.settings.tokenizer:
                _copy(study, folder)
            elif not _learn(study, group, folder, say):
                continue
        elif _read_sources(folder) not in (None, digest_of(_sources(study))):
            say(f"the text tokenizer in {folder} stays as it was learned, from other sources than the study has now")
        folders |= {cell.name: folder for cell in group.cells}
    return folders


def _copy(study: Study, folder: Path) -> None:
    named = study.settings.tokenizer
    beside = study.file.parent / named
    source = (beside if beside.is_dir() else model_folder(named)) / FILE
    if not source.is_file():
        raise UsageError(Problem(f"'{named}' has no {FILE}", "tokenizer", hint="name a model with a text tokenizer"))
    content = source.read_bytes()
    write_files(folder, {FILE: lambda path: path.write_bytes(content)})


def _learn(study: Study, group: TextGroup, folder: Path, say: Callable[[str], None]) -> bool:
    """Learn a tokenizer from the sources of all cells; False where the recipe's tokenizer needs no learning."""
    processor = Processor(compose(group.cells[0].recipe))
    if processor.text.fitted:
        return False
    say("learning the text tokenizer from the sources of all cells")
    processor.fit(list(_texts(study)))
    with new_folder(folder) as staging:
        processor.text.save(staging)
        write_json(staging / SOURCES, {"sources": digest_of(_sources(study))})
    return True


def _read_sources(folder: Path) -> object:
    """The digest of the sources that a tokenizer was learned from; None where it was not learned."""
    return read_json(folder / SOURCES, missing_ok=True).get("sources")


def _texts(study: Study) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for cell in study.cells:
        names = [name for stage in cell.stages for name in cell.recipe.stages[stage].sources]
        fresh = [
            name
            for name in dict.fromkeys(names)
            if (key := (name, digest_of(part_table(cell.recipe.sources[name])))) not in seen and not seen.add(key)  # type: ignore[func-returns-value]
        ]
        yield from texts_of(open_sources(cell.recipe, fresh).values())


def tokenizer_sentence(study: Study, folders: dict[str, Path]) -> str:
    """What the report says about the cells' text tokenizers."""
    if not folders:
        return "Each cell has the text tokenizer that its recipe names."
    digests: dict[str, list[str]] = {}
    for name, folder in folders.items():
        digests.setdefault(file_digest(folder / FILE), []).append(name)
    how = f"that of {study.settings.tokenizer}" if study.settings.tokenizer else "learned from the sources of all cells"
    own = [cell.name for cell in study.cells if cell.name not in folders]
    shared = _shared(digests, how)
    return shared + (f" With a tokenizer of their own: {_listed(own)}." if own else "")


def _shared(digests: dict[str, list[str]], how: str) -> str:
    if len(digests) == 1:
        return f"All cells share one text tokenizer, {how} (sha256 {next(iter(digests))[:12]})."
    groups = "; ".join(f"{_listed(names)}: {digest[:12]}" for digest, names in digests.items())
    return (
        f"Cells with different text settings have {len(digests)} text tokenizers, {how} ({groups}). Their losses per "
        "word do not compare; losses per answer and per picture do."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
