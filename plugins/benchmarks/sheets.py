"""The first sheet of an Excel file (xlsx), in which VLMEvalKit writes predictions: texts by column."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from janiform import Origin, Problem, UsageError

from .files import Record

MAX_XML_BYTES = 256 << 20
"""Size of a part of the file, decompressed."""

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_COLUMN = re.compile(r"([A-Z]{1,3})\d+")
_WHOLE = re.compile(r"(-?\d+)\.0+")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
)
_RELATION = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{}" Target="{}"/></Relationships>'
)
_BOOK = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
)


def read_sheet(path: Path) -> list[Record]:
    """The rows of the first sheet below its header, each value as a text; an empty cell is an empty text.

    Raises ``UsageError`` for a file that is not an Excel file, is damaged or too large, or has no header.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name))
            first = "xl/worksheets/sheet1.xml"
            shared = _shared(archive, path) if "xl/sharedStrings.xml" in archive.namelist() else []
            rows = list(_rows(_xml(archive, first if first in names else names[0], path), shared))
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}") from None
    except Exception as error:  # readers of damaged archives and of damaged XML raise any exception
        raise UsageError(f"'{path}' is not an Excel file (xlsx), or damaged: {error}") from None
    if not rows:
        raise UsageError(f"the first sheet of '{path}' is empty: expected a header and rows")
    (_, header), *rest = rows
    columns = {column: name.strip() for column, name in header.items() if name.strip()}
    if len(set(columns.values())) < len(columns):
        raise UsageError(f"the first sheet of '{path}' has two columns of the same name")
    return [
        Record({name: cells.get(column, "") for column, name in columns.items()}, Origin(f"{path}, row {number}"))
        for number, cells in rest
    ]


def write_sheet(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write an Excel file with one sheet of texts, as pandas reads it."""
    lines = [dict(zip(columns, columns, strict=True)), *rows]
    body = "".join(f"<row>{''.join(_cell(row.get(name, '')) for name in columns)}</row>" for row in lines)
    sheet = f'<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="{_MAIN[1:-1]}"><sheetData>{body}</sheetData>'
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _RELATION.format("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": _BOOK,
        "xl/_rels/workbook.xml.rels": _RELATION.format("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f"{sheet}</worksheet>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def _cell(text: str) -> str:
    clean = _ILLEGAL.sub(lambda match: f"_x{ord(match.group()):04X}_", text)
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(clean)}</t></is></c>'


def _xml(archive: zipfile.ZipFile, name: str, path: Path) -> ElementTree.Element:
    if archive.getinfo(name).file_size > MAX_XML_BYTES:
        limit = f"{MAX_XML_BYTES >> 20} MiB"
        raise UsageError(Problem(f"{name} in '{path}' has more than {limit}, which is the limit"))
    with archive.open(name) as file:
        data = file.read(MAX_XML_BYTES)
    if b"<!DOCTYPE" in data:  # its entities could grow without bounds
        raise ValueError("it declares a document type")
    return ElementTree.fromstring(data)


def _shared(archive: zipfile.ZipFile, path: Path) -> list[str]:
    return [_text(item) for item in _xml(archive, "xl/sharedStrings.xml", path).iter(f"{_MAIN}si")]


def _rows(sheet: ElementTree.Element, shared: Sequence[str]) -> Iterator[tuple[int, dict[int, str]]]:
    """The rows that hold anything: their numbers, and their texts by the numbers of the columns."""
    for position, row in enumerate(sheet.iter(f"{_MAIN}row"), start=1):
        cells: dict[int, str] = {}
        for number, cell in enumerate(row.iter(f"{_MAIN}c")):
            match = _COLUMN.fullmatch(cell.get("r", ""))
            cells[number if match is None else _number(match[1])] = _value(cell, shared)
        if any(cells.values()):
            yield int(row.get("r", position)), cells


def _value(cell: ElementTree.Element, shared: Sequence[str]) -> str:
    value = cell.findtext(f"{_MAIN}v") or ""
    match cell.get("t"):
        case "s":
            return shared[int(value)]
        case "inlineStr":
            return _text(cell)
        case "b":
            return {"0": "False", "1": "True"}[value]
        case None | "n":
            whole = _WHOLE.fullmatch(value)
            return whole[1] if whole else value
    return _unescaped(value)


def _text(element: ElementTree.Element) -> str:
    """The text in an element, without phonetic hints."""
    pieces = [
        *element.findall(f"{_MAIN}t"),
        *element.findall(f"{_MAIN}r/{_MAIN}t"),
        *element.findall(f"{_MAIN}is//{_MAIN}t"),
    ]
    return _unescaped("".join(piece.text or "" for piece in pieces))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
