"""Rows of Parquet files as the Hugging Face hub stores data sets; pictures stay in their files until they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen
from janiform import ComponentError, Origin, PictureError, Problem, UsageError

from .files import Record, missing_fields


@frozen
class ParquetPicture:
    """A picture in a cell; an open file to ``janiform.read_picture``, as ``StoredPicture`` is. Equal keys are equal."""

    key: str
    name: str = field(eq=False)
    path: Path = field(eq=False)
    group: int = field(eq=False)
    row: int = field(eq=False)
    column: str = field(eq=False)

    def read(self, size: int = -1) -> bytes:
        """The first ``size`` bytes of the picture, all where it is negative. Raises ``PictureError``."""
        try:
            table = _opened(self.path).read_row_group(self.group, columns=[self.column], use_threads=False)
            data = table.column(0)[self.row].as_py()["bytes"]
        except Exception as error:  # pyarrow raises errors of many types for damaged files
            raise PictureError(f"{self.name} cannot be read: {error}") from None
        return bytes(data) if size < 0 else bytes(data[:size])


def read_parquet(path: Path, required: Sequence[str], pictures: Sequence[str] = ()) -> Iterator[Record]:
    """Yield the rows of a file; ``pictures`` names columns of pictures, which the values hold as ``ParquetPicture``.

    A picture is an object with its bytes; None where a row has none. Raises ``UsageError`` for a missing column or a
    damaged file, and ``ComponentError`` where the package pyarrow is not installed.
    """
    file = _opened(path)
    names = file.schema_arrow.names
    if fault := missing_fields(names, required, "column"):
        raise UsageError(f"'{path}' {fault}")
    columns, number = [name for name in names if name not in pictures], 0
    pictures = [name for name in pictures if name in names]
    for group in range(file.num_row_groups):
        try:
            rows = file.read_row_group(group, columns=columns, use_threads=False).to_pylist()
            present = {name: _present(file, group, name, path) for name in pictures}
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"'{path}' is damaged: {error}") from None
        for row, values in enumerate(rows):
            number += 1
            origin = Origin(f"{path}, row {number}")
            for name in pictures:
                where = f"the picture {name} of row {number} of '{path}'"
                key = f"{path.name}/{number}/{name}"
                values[name] = ParquetPicture(key, where, path, group, row, name) if present[name][row] else None
            yield Record(values, origin)


def _present(file: Any, group: int, column: str, path: Path) -> list[bool]:
    """Which rows of a group have a picture in a column."""
    import pyarrow

    kind = file.schema_arrow.field(column).type
    if pyarrow.types.is_null(kind):
        return [False] * int(file.metadata.row_group(group).num_rows)
    if not pyarrow.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        raise UsageError(f"'{path}': the column {column} has the type {kind}, expected objects with bytes")
    data = file.read_row_group(group, columns=[column], use_threads=False).column(0)
    return [valid for chunk in data.chunks for valid in chunk.field("bytes").is_valid().to_pylist()]


def _opened(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        message = f"'{path}' is a Parquet file, which needs the package pyarrow, which is not installed ({error})"
        raise ComponentError(Problem(message, hint="pip install 'janiform[parquet]'")) from error
    try:
        return parquet.ParquetFile(path, memory_map=True)
    except Exception as error:
        raise UsageError(f"'{path}' is not a valid Parquet file: {error}") from None
