"""Tables of VLMEvalKit and other evaluators: tab- or comma-separated, with pictures in base64 in the column ``image``.

A table may have gigabytes, so it is mapped into memory, and pictures stay in it as positions.
"""

from __future__ import annotations

import base64
import hashlib
import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import evolve, frozen
from janiform import Origin, Problem, UsageError

from .files import Record, missing_fields, shown, unique
from .pictures import StoredPicture, looks_like_picture

MAX_ROWS = 2_000_000
MAX_TEXT_BYTES = 1 << 20
"""Size of a cell of text."""

MAX_PICTURE_BYTES = 192 << 20
"""Size of a cell with pictures: 144 MiB of pictures in base64."""

_REFERENCE_LENGTH = 64
"""The most characters of a cell ``image`` that names the row with the picture, instead of holding it."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/]*+={0,2}")
_IN_LIST = re.compile(rb"'([^']*+)'|\"([^\"]*+)\"")
_BOM = b"\xef\xbb\xbf"


@frozen
class _Cell:
    start: int
    stop: int
    quoted: bool = False


def read_table(path: Path, required: Sequence[str] = (), *, pictures: bool = True, key: str = "index") -> list[Record]:
    """The rows of a table with a header; every value is a text, and the column ``image`` gives the pictures.

    The separator is a comma where the name ends with ``.csv``, else a tab. Cells with separators, line breaks or
    quotation marks stand in quotation marks, as pandas writes them. A cell ``image`` of at most 64 characters is the
    ``index`` of the row with the picture.

    Raises ``UsageError`` for a missing or repeated column, rows with too few or too many cells, text that is not UTF-8,
    broken base64, and rows with the same ``key``.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if not size or not path.is_file():
                raise UsageError(f"'{path}' is empty: expected a table with a header")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                records = _records(_Reader(path, data), required, pictures)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}") from None
    if records and key in records[0].values:
        if nameless := next((record for record in records if record[key].strip() in ("", "nan")), None):
            nameless.fail(f"'{key}' is empty, expected what identifies the row")
        rows = unique(records, lambda record: str(record[key]), key)
        return _with_shared_pictures(records, rows) if pictures else records
    return records


def first_row(path: Path) -> dict[str, str]:
    """The first row of a table without its pictures; empty where there is none, or the file is not a table."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            reader = _Reader(path, data)
            rows = reader.rows()
            (line, header), (_, cells) = next(rows), next(rows)
            names = [reader.text(cell, "the header", Origin(str(path), line)) for cell in header]
            short = [cell if cell.stop - cell.start <= MAX_TEXT_BYTES else _Cell(0, 0) for cell in cells]
            return {
                name: reader.text(cell, name, Origin(str(path), line))
                for name, cell in zip(names, short, strict=True)
                if name != "image"
            }
    except (OSError, ValueError, StopIteration, UsageError):
        return {}


class _Reader:
    """The cells of a table in a mapped file."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data = path, data
        separator = rb"," if path.suffix.lower() == ".csv" else rb"\t"
        end = rb"(?=[" + separator + rb"\r\n]|\Z)"
        plain = rb"((?:[^" + separator + rb'\r\n"][^' + separator + rb"\r\n]*+)?)"
        self._cell = re.compile(rb'"((?:[^"]++|"")*+)"' + end + rb"|" + plain + end)
        self._separator = separator.replace(rb"\t", b"\t")

    def rows(self) -> Iterator[tuple[int, list[_Cell]]]:
        """The rows that are not blank: the line where each begins, and its cells."""
        position, line, data = len(_BOM) if self.data[:3] == _BOM else 0, 1, self.data
        while position < len(data):
            first, cells = line, []
            while True:
                match = self._cell.match(data, position)
                if match is None:
                    message = "a cell that begins with a quotation mark does not end with one"
                    raise UsageError(Problem(message, origin=Origin(str(self.path), line)))
                group = 1 if match.start(1) >= 0 else 2
                cells.append(_Cell(match.start(group), match.end(group), group == 1))
                line += data[match.start() : match.end()].count(b"\n") if group == 1 else 0
                position = match.end() + 1
                if data[match.end() : position] != self._separator:
                    break
            if data[position - 1 : position + 1] == b"\r\n":
                position += 1
            line += 1
            if len(cells) > 1 or cells[0].stop > cells[0].start:
                yield first, cells

    def text(self, cell: _Cell, name: str, origin: Origin) -> str:
        """The text of a cell. Raises ``UsageError``."""
        if cell.stop - cell.start > MAX_TEXT_BYTES:
            limit = f"{MAX_TEXT_BYTES >> 20} MiB"
            raise UsageError(Problem(f"'{name}' has more than {limit}, the limit of a text", origin=origin))
        raw = self.data[cell.start : cell.stop]
        try:
            return (raw.replace(b'""', b'"') if cell.quoted else raw).decode()
        except UnicodeDecodeError:
            raise UsageError(Problem(f"'{name}' is not text in UTF-8", origin=origin)) from None


def _records(reader: _Reader, required: Sequence[str], pictures: bool) -> list[Record]:
    rows = reader.rows()
    line, header = next(rows, (1, []))
    origin = Origin(str(reader.path), line)
    names = [reader.text(cell, "the header", origin).strip() for cell in header]
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise UsageError(Problem(f"the table has the column '{repeated}' more than once", origin=origin))
    if fault := missing_fields(names, required, "column"):
        raise UsageError(Problem(f"the table {fault}", origin=origin))
    records: list[Record] = []
    for line, cells in rows:
        origin = Origin(str(reader.path), line)
        if len(cells) != len(names):
            hint = "texts with tabs or line breaks must be in quotation marks"
            message = f"the row has {len(cells)} cells, but the header has {len(names)}"
            raise UsageError(Problem(message, origin=origin, hint=hint))
        if len(records) == MAX_ROWS:
            raise UsageError(f"'{reader.path}' has more than {MAX_ROWS:,} rows, which is the limit")
        by_name = dict(zip(names, cells, strict=True))
        image = by_name.pop("image", None)
        values = {name: reader.text(cell, name, origin) for name, cell in by_name.items()}
        stored: tuple[StoredPicture, ...] = ()
        if image is not None and pictures:
            if image.stop - image.start <= _REFERENCE_LENGTH:
                values["image"] = reader.text(image, "image", origin).strip()
            else:
                stored = tuple(_stored(reader, image, values.get("index", ""), origin))
        records.append(Record(values, origin, stored))
    if not records:
        raise UsageError(f"'{reader.path}' has a header, but no rows")
    return records


def _stored(reader: _Reader, cell: _Cell, index: str, origin: Origin) -> Iterator[StoredPicture]:
    """The pictures of a cell, one in base64 or a Python list of several. Raises ``UsageError`` for damaged ones."""
    data = reader.data
    if cell.stop - cell.start > MAX_PICTURE_BYTES:
        limit = f"{MAX_PICTURE_BYTES >> 20} MiB"
        raise UsageError(Problem(f"'image' has more than {limit}, the limit of a picture", origin=origin))
    spans = [(cell.start, cell.stop)]
    if data[cell.start : cell.start + 1] == b"[":
        matches = _IN_LIST.finditer(data, cell.start, cell.stop)
        spans = [match.span(1) if match.start(1) >= 0 else match.span(2) for match in matches]
    for start, stop in spans:
        match = _BASE64.match(data, start, stop)
        end = start if match is None else match.end()
        if end < stop or (stop - start) % 4:
            fault = f"character {end - start + 1} is {shown(data[end : end + 1].decode('latin-1'))}"
            fault = fault if end < stop else f"its length of {stop - start} is not a multiple of 4"
            raise UsageError(Problem(f"the picture of index {shown(index)} is not base64: {fault}", origin=origin))
        if not looks_like_picture(base64.b64decode(data[start : min(stop, start + 16)])):
            message = f"the picture of index {shown(index)} is base64, but not of a picture"
            raise UsageError(Problem(message, origin=origin))
        digest = hashlib.sha256(memoryview(data)[start:stop]).hexdigest()[:32]
        yield StoredPicture(digest, f"the picture of index {index} at {origin}", reader.path, start, stop - start)


def _with_shared_pictures(records: list[Record], rows: dict[str, Record]) -> list[Record]:
    """The records, with the pictures of other rows where a cell ``image`` names them.

    Where the other row lacks its picture, so does this one.
    """
    result = []
    for record in records:
        reference = record.get("image")
        if reference:
            shared = rows.get(reference)
            if shared is None or (not shared.pictures and shared.get("image")):
                what = "is missing" if shared is None else "names another row"
                record.fail(
                    f"'image' is {shown(reference)}: the row with that index, which must have the picture, {what}"
                )
            record = evolve(record, values={**record.values, "image": ""}, pictures=shared.pictures)
        result.append(record)
    return result
