"""Reads the resources of a file as bytes, one a line: plain, packed or in a table."""

from __future__ import annotations

import glob
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final, Protocol

from cds_service.errors import BadRequest, SettingsError

DELTA_LOG: Final = "_delta_log"
_BUFFER: Final = 1 << 20
_BATCH: Final = 4 << 20  # bytes of lines that are handed over at once
_ROWS: Final = 2_000  # rows of a table that are decoded at once
_BOM: Final = b"\xef\xbb\xbf"


class CutShort(Exception):
    """A packed file ends in its middle; what came before was handed over."""


class Storage(Protocol):
    """Where files lie."""

    def path(self, name: str) -> str: ...
    def is_file(self, name: str) -> bool: ...
    def is_folder(self, name: str) -> bool: ...
    def is_delta(self, name: str) -> bool: ...
    def inside(self, name: str) -> list[str]: ...
    def glob(self, name: str) -> list[str]: ...
    def join(self, folder: str, name: str) -> str: ...
    def size(self, name: str) -> int: ...
    def read(self, name: str) -> bytes: ...
    def open(self, name: str) -> IO[bytes]: ...


def storage_of(path: str) -> tuple[Storage, str]:
    """The store of a path, and the path in it."""
    if "://" not in path:
        return _Disk(), path
    return _BehindUrl.of(path)


class _Disk:
    """Files of this machine."""

    def path(self, name: str) -> str:
        return name

    def is_file(self, name: str) -> bool:
        return os.path.isfile(name)

    def is_folder(self, name: str) -> bool:
        return os.path.isdir(name)

    def is_delta(self, name: str) -> bool:
        return os.path.isdir(os.path.join(name, DELTA_LOG))

    def inside(self, name: str) -> list[str]:
        """What lies in a folder, and in those below that are no table."""
        found: list[str] = []
        for place, folders, files in os.walk(name):
            tables = [one for one in folders if self.is_delta(os.path.join(place, one))]
            found += [os.path.join(place, one) for one in (*tables, *files) if one[0] != "."]
            folders[:] = [one for one in folders if one[0] != "." and one not in tables]
        return found

    def glob(self, name: str) -> list[str]:
        return glob.glob(name, recursive=True)

    def join(self, folder: str, name: str) -> str:
        return os.path.join(folder, name)

    def size(self, name: str) -> int:
        if not self.is_delta(name):
            return os.path.getsize(name)
        files = (os.path.join(place, one) for place, _, names in os.walk(name) for one in names)
        return sum(os.path.getsize(one) for one in files if one.endswith(".parquet"))

    def read(self, name: str) -> bytes:
        with open(name, "rb") as file:
            return file.read()

    def open(self, name: str) -> IO[bytes]:
        return open(name, "rb", _BUFFER)


class _BehindUrl:
    """Files behind a URL, by fsspec."""

    def __init__(self, fs: Any, protocol: str) -> None:
        self._fs = fs
        self._protocol = protocol

    @classmethod
    def of(cls, url: str) -> tuple[_BehindUrl, str]:
        """Raises SettingsError where what reads this kind of URL is not installed."""
        protocol = url.partition("://")[0]
        try:
            import fsspec

            fs, name = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError):
            raise SettingsError(
                f"nothing here reads {protocol}://; install the extra: "
                "pip install 'cds-service[cloud]'"
            ) from None
        return cls(fs, protocol), name

    def path(self, name: str) -> str:
        return f"{self._protocol}://{name}"

    def is_file(self, name: str) -> bool:
        return bool(self._fs.isfile(name))

    def is_folder(self, name: str) -> bool:
        return bool(self._fs.isdir(name))

    def is_delta(self, name: str) -> bool:
        return bool(self._fs.isdir(f"{name}/{DELTA_LOG}"))

    def inside(self, name: str) -> list[str]:
        return [str(one) for one in self._fs.find(name)]

    def glob(self, name: str) -> list[str]:
        return [str(one) for one in self._fs.glob(name)]

    def join(self, folder: str, name: str) -> str:
        return f"{folder}/{name}"

    def size(self, name: str) -> int:
        files = self._fs.find(name) if self.is_delta(name) else [name]
        return sum(int(self._fs.size(one) or 0) for one in files)

    def read(self, name: str) -> bytes:
        return bytes(self._fs.cat_file(name))

    def open(self, name: str) -> IO[bytes]:
        # The files of fsspec are raw ones: their readlines takes no limit.
        return io.BufferedReader(self._fs.open(name, "rb"), _BUFFER)


# --- lines ---


def first_line(path: str, form: str) -> bytes | None:
    """The first resource of a file; None where there is none. Raises BadRequest for a packed file
    that is cut before the end of its first line."""
    try:
        for batch in batches(path, form):
            for line in batch:
                if plain := line.removeprefix(_BOM).strip():
                    return plain
    except CutShort:
        raise BadRequest("is cut short before its first resource", path) from None
    return None


def batches(path: str, form: str, start: int = 0, stop: int | None = None) -> Iterator[list[bytes]]:
    """The lines of a file, some at a time; of a plain one those that begin from byte `start` and
    before `stop`. Raises CutShort at the end of a packed file that is not whole, and BadRequest for
    one that is none."""
    store, name = storage_of(path)
    if form in {"parquet", "delta"}:
        yield from _rows(store, name, form)
    elif form == "gzip":
        yield from _unpacked(store, name)
    else:
        with store.open(name) as file:
            yield from _plain(file, start, stop)


def _plain(file: IO[bytes], start: int, stop: int | None) -> Iterator[list[bytes]]:
    place = start
    if start:
        file.seek(start - 1)
        place += len(file.readline()) - 1  # the line that began before belongs to that range
    while stop is None or place < stop:
        most = _BATCH if stop is None else max(1, min(_BATCH, stop - place))
        lines = file.readlines(most)
        if not lines:
            return
        place += sum(map(len, lines))
        yield lines


def _unpacked(store: Storage, name: str) -> Iterator[list[bytes]]:
    with store.open(name) as packed, gzip.open(packed) as file:
        while True:
            lines: list[bytes] = []
            try:
                _fill(lines, file)
            except EOFError:
                yield lines
                raise CutShort from None
            except (gzip.BadGzipFile, zlib.error):
                raise BadRequest("is no gzip file, or a damaged one", store.path(name)) from None
            if not lines:
                return
            yield lines


def _fill(lines: list[bytes], file: Iterable[bytes]) -> None:
    """Read some lines into a list: those before the place where a file is cut stay in it."""
    size = 0
    for line in file:
        lines.append(line)
        size += len(line)
        if size >= _BATCH:
            return


def _rows(store: Storage, name: str, form: str) -> Iterator[list[bytes]]:
    """The JSON of a table that holds it in one column of text."""
    try:
        import pyarrow.dataset as tables
    except ImportError:
        raise SettingsError(
            "a Parquet or Delta table needs the extra: pip install 'cds-service[lake]'"
        ) from None
    if form == "delta":
        source = _delta(store, name)
    elif "://" in store.path(name):
        with store.open(name) as file:
            import pyarrow.parquet as parquet

            source = tables.dataset(parquet.read_table(file))
    else:
        source = tables.dataset(name, format="parquet")
    column = None
    for batch in source.to_batches(batch_size=_ROWS):
        if column is None and batch.num_rows:
            column = _json_column(batch, store.path(name))
        if batch.num_rows:
            values = batch.column(batch.schema.get_field_index(column)).to_pylist()
            yield [_as_bytes(value) for value in values if value is not None]


def _delta(store: Storage, name: str) -> Any:
    try:
        from deltalake import DeltaTable
    except ImportError:
        raise SettingsError(
            "a Delta table needs the extra: pip install 'cds-service[lake]'"
        ) from None
    return DeltaTable(store.path(name)).to_pyarrow_dataset()


def _json_column(batch: Any, path: str) -> str:
    """The column in which a resource stands as text."""
    for field in batch.schema:
        values = batch.column(batch.schema.get_field_index(field.name))
        first = next((v.as_py() for v in values if v.is_valid), None)
        if isinstance(first, str | bytes) and b'"resourceType"' in _as_bytes(first):
            return str(field.name)
    raise BadRequest("no column of it holds FHIR resources as JSON text", path)


def _as_bytes(value: str | bytes) -> bytes:
    """A resource on one line: in JSON a line may end between the tokens only."""
    data = value if isinstance(value, bytes) else value.encode()
    return data.replace(b"\n", b" ")
