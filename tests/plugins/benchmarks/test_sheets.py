"""Excel files are read as pandas reads them, as texts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import UsageError
from janiform_plugins.benchmarks.sheets import read_sheet, write_sheet

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def book(path: Path, rows: str, shared: str = "", name: str = "xl/worksheets/sheet1.xml") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>')
        if shared:
            archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{shared}</sst>')
    return path


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r_")), min_size=1, max_size=4))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("x") / "x.xlsx"
    write_sheet(path, ["index", "prediction"], [{"index": str(n), "prediction": t} for n, t in enumerate(texts)])
    assert [record["prediction"] for record in read_sheet(path)] == texts


def test_cells_of_all_types_are_texts(tmp_path: Path) -> None:
    """Shared and rich strings, numbers, truth values and gaps, as openpyxl and Excel write them."""
    shared = (
        "<si><t>index</t></si><si><t>prediction</t></si><si><r><t>ye</t></r><r><t>s.</t></r><rPh><t>x</t></rPh></si>"
    )
    rows = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>'
        '<row r="2"><c r="A2"><v>7</v></c><c r="C2" t="s"><v>2</v></c></row>'
        '<row r="4"><c r="A4" t="n"><v>8.0</v></c><c r="B4"><v>5</v></c><c r="C4" t="b"><v>1</v></c></row>'
        '<row r="5"><c r="A5" t="str"><v>nan</v></c><c r="C5" t="inlineStr"><is><t>a_x000A_b</t></is></c></row>'
        '<row r="6"><c r="A6"><v>0.25</v></c></row><row r="7"><c r="A7"/></row>'
    )
    records = read_sheet(book(tmp_path / "x.xlsx", rows, shared))
    assert [record.values for record in records] == [
        {"index": "7", "prediction": "yes."},
        {"index": "8", "prediction": "True"},
        {"index": "nan", "prediction": "a\nb"},
        {"index": "0.25", "prediction": ""},
    ]
    assert str(records[1].origin).endswith("x.xlsx, row 4")


def test_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"index\tprediction\n")
    with pytest.raises(UsageError, match=r"x\.xlsx' is not an Excel file \(xlsx\), or damaged: File is not a zip file"):
        read_sheet(path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_sheet(tmp_path / "none.xlsx")
    with pytest.raises(UsageError, match="is empty: expected a header and rows"):
        read_sheet(book(path, ""))
    with pytest.raises(UsageError, match="is not an Excel file"):
        read_sheet(book(path, "<row>"))
    with pytest.raises(UsageError, match="is not an Excel file"):
        read_sheet(book(path, '<row><c t="s"><v>3</v></c></row>', "<si><t>a</t></si>"))
    with pytest.raises(UsageError, match="has two columns of the same name"):
        read_sheet(book(path, '<row><c t="str"><v>a</v></c><c t="str"><v>a</v></c></row>'))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    with pytest.raises(UsageError, match="it declares a document type"):
        read_sheet(path)
