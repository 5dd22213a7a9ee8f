"""The commands of `knowledge`: list, show, check, diff, history, schema, expand, export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import BaseModel

from cds_service.cards import decision_table, suggested_orders
from cds_service.cards.terminal import counted, plain
from cds_service.cli import expand as expand_command
from cds_service.cli import export as export_command
from cds_service.cli.database import run, settings_of
from cds_service.cli.examples import DAY, DAY_FORMAT, examples
from cds_service.cli.progress import spinning
from cds_service.errors import KnowledgeError
from cds_service.knowledge.diff import diff as differences
from cds_service.knowledge.diff import diff_as_written, version_as_written
from cds_service.knowledge.json_schema import schema_text
from cds_service.knowledge.loader import CONTENT, OrderCheck, load
from cds_service.knowledge.model import Knowledge, ValueSet
from cds_service.knowledge.review import overdue
from cds_service.knowledge.schema import Rule
from cds_service.knowledge.terminology import rows
from cds_service.ops.settings import from_environment

app = typer.Typer(help="The clinical content: rules, codes, doses, sources.", no_args_is_help=True)
app.command(
    "expand",
    epilog=examples("knowledge expand --server http://127.0.0.1:8080/fhir --overlay our-overlay"),
)(expand_command.expand)
app.command("export", epilog=examples("knowledge export --package ho.tgz"))(export_command.export)

BASE = "base"
_NOT_FOUND = 2
_PARTS = (
    "triggers", "genetic", "factors", "modifiers", "non_factors", "exclusions", "options",
    "regimens", "cards", "override_reasons", "standard_reasons", "links", "referrals", "evidence",
    "controversies",
)  # fmt: skip

Overlay = Annotated[
    Path | None,
    typer.Option("--overlay", help="Directory of a site overlay (CDS_KNOWLEDGE_OVERLAY)."),
]


@app.command("list", epilog=examples("knowledge list", "knowledge list exclusions"))
def list_(
    part: Annotated[
        str | None, typer.Argument(help="One part only, for example exclusions or value_sets.")
    ] = None,
    overlay: Overlay = None,
) -> None:
    """List rules, options, cards, rows of the decision table, evidence and value sets by id."""
    knowledge = _load(overlay)
    parts = dict(_parts(knowledge))
    if part is not None and part not in parts:
        typer.echo(f"there is no part '{plain(part)}'; there are {', '.join(parts)}", err=True)
        raise typer.Exit(_NOT_FOUND)
    for name in parts if part is None else (part,):
        for id_, words in parts[name]:
            typer.echo(plain(f"{name:<17} {id_:<36} {words}"))


@app.command(epilog=examples("knowledge show", "knowledge show high-risk"))
def show(
    id_: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of a rule, card, source or value set.")
    ] = None,
    overlay: Overlay = None,
) -> None:
    """Show one item in full; without an id, the version and what the site overlay changes."""
    knowledge = _load(overlay)
    if id_ is None:
        typer.echo(plain("\n".join(_summary(knowledge))))
        return
    found = list(_items(knowledge, id_))
    if not found:
        typer.echo(f"nothing has the id '{plain(id_)}'; see `knowledge list`", err=True)
        raise typer.Exit(_NOT_FOUND)
    typer.echo(plain("\n".join(found)))


@app.command(epilog=examples("knowledge check", "knowledge check our-overlay --patients"))
def check(
    directory: Annotated[
        Path | None,
        typer.Argument(help="A site overlay, or a whole content directory (with meta.yaml)."),
    ] = None,
    patients: Annotated[
        bool,
        typer.Option("--patients", help="Answer the synthetic patients with it, too."),
    ] = False,
    today: Annotated[
        datetime | None,
        typer.Option(
            metavar=DAY,
            formats=[DAY_FORMAT],
            help="The day on which a review is due (default: today).",
        ),
    ] = None,
) -> None:
    """Check the content: every mistake with file, line and mend. Exit code 1 when there is one.

    A review older than 12 months is a warning, not a mistake. With --patients, 150 synthetic
    patients are answered: genetic HO must get its card; other answers may differ from the base's.
    """
    if directory:
        knowledge = _read(str(directory), suggested_orders.check)
    else:
        knowledge = load(from_environment().knowledge_overlay, check=suggested_orders.check)
    typer.echo(f"{knowledge.version}: no mistake found")
    day = (today or datetime.now(UTC)).date()
    if warning := overdue(knowledge.meta.reviewed, day):
        typer.echo(f"warning: {warning}", err=True)
    if patients:
        _try(knowledge, day)


def _try(knowledge: Knowledge, day: date) -> None:
    """Answer the synthetic patients, and say what came of it."""
    from cds_service.tools.synthetic.trial import try_content

    with spinning("answering the synthetic patients"):
        trial = try_content(knowledge, day)
    for line in trial.failed:
        typer.echo(f"patient {plain(line)}", err=True)
    if trial.failed:
        raise typer.Exit(1)
    typer.echo(
        f"{trial.patients} synthetic patients answered, genetic HO as it must be; "
        f"{trial.different} differently from the base"
    )


@app.command(epilog=examples("knowledge history"))
def history(
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="Default: CDS_DATABASE_URL.")
    ] = None,
) -> None:
    """Show which content came into force when, for which client, approved and started by whom.

    Times are UTC. Rows are only ever added; the database refuses to change or delete one.
    """
    told = run(settings_of(database), lambda opened: opened.content_history())
    for one in told:
        site = f"site {one.site}" if one.site else "no site overlay"
        approved = f"approved by {one.approved}" if one.approved else "approval not stated"
        whom = f"client {one.client}" if one.client else "all"
        parts = (f"{one.at:%Y-%m-%d %H:%M:%S}", one.version, whom, site, approved, one.how, one.by)
        typer.echo(plain("  ".join(parts)))


@app.command(epilog=examples("knowledge diff base our-overlay"))
def diff(
    old: Annotated[str, typer.Argument(help="`base`, an overlay, or a content directory.")],
    new: Annotated[str, typer.Argument(help="The other one.")] = BASE,
) -> None:
    """Show what differs between two states: codes, rules, doses, options, wording, sources."""
    try:
        before, after = _read(old), _read(new)
        found, versions = differences(before, after), (before.version, after.version)
    except KnowledgeError:
        places = _content_directories(old, new)
        if places is None:
            raise
        # Content of another version of this program: what the files say is compared.
        found = diff_as_written(*places)
        versions = version_as_written(places[0]), version_as_written(places[1])
        typer.echo(
            "one of the two is for another version of this program: files are compared as they "
            "stand, by the id of each item",
            err=True,
        )
    typer.echo(f"{versions[0]} -> {versions[1]}: {counted(len(found), 'difference')}")
    for difference in found:
        typer.echo(plain(str(difference)))


@app.command(epilog=examples("knowledge schema --out schema.json"))
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file.")] = None,
) -> None:
    """Print the JSON Schema of the content files and of overlay.yaml, for an editor."""
    text = schema_text()
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(f"{out}: {error.strerror}", err=True)
        raise typer.Exit(_NOT_FOUND) from None


# --- reading ---


def _content_directories(old: str, new: str) -> tuple[Path, Path] | None:
    """The two directories, where each name is `base` or a content directory; else None."""
    before, after = (CONTENT if name == BASE else Path(name) for name in (old, new))
    both = (before / "meta.yaml").is_file() and (after / "meta.yaml").is_file()
    return (before, after) if both else None


def _load(overlay: Path | None) -> Knowledge:
    return load(overlay or from_environment().knowledge_overlay)


def _read(name: str, check: OrderCheck | None = None) -> Knowledge:
    """`base`, a content directory (it has a meta.yaml), or an overlay. Raises KnowledgeError."""
    if name == BASE:
        return load()
    directory = Path(name)
    if (directory / "meta.yaml").is_file():
        return load(content=directory, check=check)
    return load(directory, check=check)


# --- words ---


def _parts(knowledge: Knowledge) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for name in _PARTS:
        items: Mapping[str, BaseModel] = getattr(knowledge, name)
        yield name, [(id_, _words(item)) for id_, item in items.items()]
    table = decision_table.rows(knowledge)
    yield "rows", [(row.id, f"{row.chart}; {row.order}: {row.answer}") for row in table]
    yield "value_sets", [(id_, _size(found)) for id_, found in knowledge.value_sets.items()]


def _words(item: BaseModel) -> str:
    """The most telling line of an item."""
    for member in ("label", "summary", "display", "citation", "text"):
        if text := getattr(item, member, None):
            off = isinstance(item, Rule) and not item.enabled
            return f"{text} (switched off)" if off else str(text)
    return ""


def _size(value_set: ValueSet) -> str:
    count = len(list(rows(value_set)))
    return f"{value_set.get('title', '')} ({counted(count, 'code')})".strip()


def _summary(knowledge: Knowledge) -> Iterator[str]:
    meta = knowledge.meta
    yield f"{meta.title}, {knowledge.version} ({meta.date})"
    yield f"Intended use: {meta.intended_use}"
    yield from (f"Limit: {limit}" for limit in meta.limits)
    yield f"Contact: {meta.contact}"
    if knowledge.site is None:
        yield "Site overlay: none"
        return
    yield f"Site overlay: {knowledge.site}, {counted(len(knowledge.differences), 'difference')}"
    yield from (f"  {difference}" for difference in knowledge.differences)


def _items(knowledge: Knowledge, id_: str) -> Iterable[str]:
    for name in _PARTS:
        items: Mapping[str, BaseModel] = getattr(knowledge, name)
        if id_ in items:
            content = items[id_].model_dump(mode="json", exclude_defaults=True)
            yield f"# {name}"
            yield yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100).rstrip()
    if id_ in knowledge.value_sets:
        yield f"# value_sets: {id_}"
        for row in rows(knowledge.value_sets[id_]):
            how = "prefix" if row.prefix else "exact"
            yield f"{row.system} {row.code} {row.display} ({how}, {row.confidence})"
