"""The files of an export, in the habits of servers."""

from __future__ import annotations

import gzip
import json
import shutil
from itertools import chain
from pathlib import Path

import pytest

from cds_service.errors import BadRequest, SettingsError
from cds_service.rehearsal.files import find
from cds_service.rehearsal.lines import CutShort, batches
from tests.support.exports import HABITS, condition, order, patient, write

RESOURCES = [patient(), order(), condition()]


@pytest.mark.parametrize("habit", HABITS.values(), ids=HABITS.keys())
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_every_habit_of_naming(tmp_path: Path, habit: str, packed: bool) -> None:
    found = find([str(write(tmp_path / "e", RESOURCES, habit, packed=packed))])
    assert {file.kind for file in found} == {"Patient", "ServiceRequest", "Condition"}
    assert {file.form for file in found} == {"gzip" if packed else "ndjson"}


def test_a_file_whose_name_says_nothing_may_hold_several_types(tmp_path: Path) -> None:
    path = tmp_path / "part-0001.ndjson"
    path.write_text("\n".join(json.dumps(one) for one in RESOURCES))
    (found,) = find([str(path)])
    assert found.kind is None


def test_types_that_do_not_matter_and_empty_files_are_passed_over(tmp_path: Path) -> None:
    folder = write(tmp_path / "e", [*RESOURCES, {"resourceType": "Claim", "id": "1"}])
    (folder / "AllergyIntolerance.ndjson").write_bytes(b"")
    (folder / "readme.txt").write_text("x")
    assert {file.kind for file in find([str(folder)])} == {"Patient", "ServiceRequest", "Condition"}


def test_folders_globs_and_files_name_each_file_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "e", RESOURCES)
    glob = str(folder / "*.ndjson")
    found = find([str(folder), glob, str(folder / "Patient.ndjson")])
    assert [Path(f.path).name for f in found] == [
        "Condition.ndjson", "Patient.ndjson", "ServiceRequest.ndjson",
    ]  # fmt: skip


def test_a_manifest_names_the_files_beside_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "e", RESOURCES)
    manifest = folder / "manifest.json"
    urls = [f"https://ehr.example/bulk/{kind}.ndjson?sig=1" for kind in ("Patient", "Condition")]
    manifest.write_text(json.dumps({"output": [{"type": "x", "url": url} for url in urls]}))
    assert {file.kind for file in find([str(manifest)])} == {"Patient", "Condition"}
    (folder / "Condition.ndjson").unlink()
    with pytest.raises(BadRequest, match=r"Condition\.ndjson is not beside it; download it first"):
        find([str(manifest)])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.ndjson", "[\n{}\n]", "NDJSON has one resource a line"),
        ("x.ndjson", "hello", "NDJSON has one resource a line"),
        ("x.json", "{}", "no bulk manifest"),
        ("x.ndjson.gz", "no gzip", "no gzip file"),
    ],
)
def test_what_is_no_export_is_refused_by_name(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(BadRequest, match=said) as error:
        find([str(path)])
    assert name in str(error.value)


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / "*.ndjson"):
        with pytest.raises(BadRequest):
            find([str(path)])


def test_a_scheme_that_nothing_reads_names_the_extra() -> None:
    with pytest.raises(SettingsError, match=r"cds-service\[cloud\]"):
        find(["nowhere://bucket/export"])


def test_ranges_of_bytes_hold_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "Condition.ndjson"
    lines = [json.dumps(condition(number=n)).encode() + b"\n" for n in range(50)]
    path.write_bytes(b"".join(lines))
    size = path.stat().st_size
    for step in (1, 97, 1000, size):
        found: list[bytes] = []
        for start in range(0, size, step):
            for batch in batches(str(path), "ndjson", start, min(start + step, size)):
                found += batch
        assert found == lines


def test_of_a_packed_file_that_is_cut_the_lines_before_are_read(tmp_path: Path) -> None:
    lines = [json.dumps(condition(number=n * 7919 % 104729)).encode() + b"\n" for n in range(500)]
    packed = gzip.compress(b"".join(lines))
    path = tmp_path / "Condition.ndjson.gz"
    path.write_bytes(packed[: len(packed) // 2])
    (found,) = find([str(path)])
    read: list[bytes] = []
    with pytest.raises(CutShort):
        read.extend(chain.from_iterable(batches(str(path), found.form)))
    assert read
    assert read == lines[: len(read)]
    path.write_bytes(packed[:20])
    with pytest.raises(BadRequest, match="cut short before its first resource"):
        find([str(path)])


def test_two_files_of_one_name_cannot_both_lie_beside_a_manifest(tmp_path: Path) -> None:
    folder = write(tmp_path / "e", RESOURCES)
    urls = [f"https://ehr.example/{number}/Patient.ndjson" for number in (1, 2)]
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"output": [{"type": "Patient", "url": url} for url in urls]}))
    with pytest.raises(BadRequest, match=r"names two files Patient\.ndjson"):
        find([str(manifest)])


def test_an_export_may_lie_in_folders_below(tmp_path: Path) -> None:
    folder = write(tmp_path / "e" / "fhir", RESOURCES)
    shutil.copytree(folder, tmp_path / "e" / ".hidden")
    assert len(find([str(tmp_path / "e")])) == 3
