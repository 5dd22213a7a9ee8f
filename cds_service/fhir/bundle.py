"""Opens one prefetch value or search answer, whatever form it came in, down to its resources."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Raw
from msgspec.json import encode

from cds_service.fhir.completeness import absent_entry
from cds_service.fhir.decoding import (
    BUNDLE,
    ENTRIES,
    ENVELOPE,
    GLANCED_BUNDLE,
    NOTHING,
    RAWS,
    UNFIT,
    Bundle,
    Entry,
    Envelope,
    GlancedBundle,
    GlancedEntry,
    Unreadable,
    decode,
    first_byte,
    repair,
)
from cds_service.fhir.elements import Doc, member, word

NO_RESOURCE = "no resource"
_BUNDLE = b'"Bundle"'
_WHOSE = frozenset({"patient", "subject"})
_STEP = ".entry[{}].resource"
_GLANCED_AT_ONCE = 1 << 21  # bytes; a larger Bundle is glanced at in turns
DEPTH = 4  # text in a wrapper in a list in a Bundle is as deep as anybody goes


@dataclass(slots=True)
class Opened:
    """What is inside a value. `step` is the path from the value to an entry, with {} for its
    number; `numbers` are those numbers where some entries were left out. `junk` are entries
    without a resource, with the reason. `failed` are entries that an EHR could not answer. `total`
    is the number of matches that a Bundle names. `why` says that the value as a whole cannot be
    used."""

    entries: list[Entry] = field(default_factory=list)
    step: str = ""
    numbers: list[int] | None = None
    junk: list[tuple[int, str]] = field(default_factory=list)
    failed: int = 0
    next_link: str | None = None
    self_link: str | None = None
    total: int | None = None
    meta: object = None
    absent: list[str] = field(default_factory=list)  # reasons in place of resources
    nameless_page: bool = False  # a further page is announced, without an address
    why: str | None = None
    glanced: list[GlancedEntry] | None = None  # in place of `entries`, which `entry` decodes
    raw: bytes | Raw = b""

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.entries if self.glanced is None else self.glanced)

    def entry(self, position: int) -> Entry:
        """The entry at this position, its resource undecoded."""
        if not self.entries:
            self.entries = BUNDLE.decode(self.raw).entry or []
        return self.entries[position]

    @property
    def empty(self) -> bool:
        lacks = self.junk or self.failed or self.absent or self.why is not None
        return not (self.size or lacks)

    @property
    def searched(self) -> str | None:
        """The resource type of which all were searched for, as the Bundle's `self` link says.

        None for a search that could leave some of the patient's out (`code=...`): finding none is
        then no news about the others.
        """
        path, _, query = (self.self_link or "").partition("?")
        names = {part.partition("=")[0].partition(":")[0] for part in query.split("&") if part}
        narrowed = any(name not in _WHOSE and not name.startswith("_") for name in names)
        by_patient = not names.isdisjoint(_WHOSE) and "_id" not in names
        return path.rstrip("/").rpartition("/")[2] if by_patient and not narrowed else None

    @property
    def lost_page(self) -> bool:
        """Whether a further page is announced that nobody can ask for."""
        return self.nameless_page and self.next_link is None

    @property
    def cut(self) -> bool:
        """Whether a Bundle names more matches than it holds and no page that has the others."""
        held = self.size + len(self.junk) + len(self.absent) + self.failed
        return self.total is not None and self.total > held and self.next_link is None

    def place(self, start: str, position: int) -> str:
        """Path of the entry at this position in `entries`."""
        return self.path(start, self.numbers[position] if self.numbers else position)

    def path(self, start: str, number: int) -> str:
        """Path of the entry with this number in the value."""
        return start + self.step.replace("{}", str(number))


def open_value(raw: bytes | Raw, depth: int = 0) -> Opened:
    """Open null, a resource, a Bundle, a list of resources or entries, the `{response, resource}`
    wrapper, or any of these as JSON text in a string. Never raises."""
    try:
        bundle = BUNDLE.decode(raw)
    except UNFIT:
        return _open_odd_form(raw, depth)
    if depth > DEPTH:
        return Opened(why="nested too deeply")
    if bundle.resourceType != "Bundle":
        return Opened([Entry(Raw(bytes(raw)))])
    opened = Opened(bundle.entry or [], _STEP if bundle.entry is not None else "")
    return _with_rest(opened, bundle)


def open_glanced(raw: bytes | Raw) -> Opened | None:
    """As `open_value`, with a glance at the entries of a Bundle that is as usual, in one pass. None
    for a Bundle that has no entry and says nothing else: most lists of most patients."""
    if memoryview(raw).nbytes > _GLANCED_AT_ONCE:
        return open_value(raw)
    try:
        bundle = GLANCED_BUNDLE.decode(raw)
    except UNFIT:
        return open_value(raw)
    if bundle.resourceType != "Bundle":
        return Opened([Entry(Raw(bytes(raw)))])
    if not bundle.entry or bundle.issues is not NOTHING:
        return open_value(raw) if _says_something(bundle) else None
    return _with_rest(Opened(step=_STEP, glanced=bundle.entry, raw=raw), bundle)


def _says_something(bundle: GlancedBundle) -> bool:
    """Whether a Bundle has entries, or says anything in place of them."""
    link, meta, issues = bundle.link, bundle.meta, bundle.issues
    beside = link is not NOTHING or meta is not NOTHING or issues is not NOTHING
    return bool(bundle.entry or bundle.total or beside)


def _with_rest(opened: Opened, bundle: Bundle | GlancedBundle) -> Opened:
    """With what a Bundle has beside its entries."""
    opened.total = bundle.total
    if bundle.meta is not NOTHING:
        opened.meta = _plain(bundle.meta)
    if bundle.link is not NOTHING:
        _read_links(opened, bundle.link)
    if bundle.issues is not NOTHING:
        _add_issues(opened, bundle.issues)
    return opened


def _add_issues(opened: Opened, issues: Raw) -> None:
    """What a Bundle says of itself is read like an outcome among its entries."""
    if first_byte(issues) != b"{" or opened.why is not None:
        return
    opened.step = opened.step or ".issues"
    opened.entries.append(Entry(issues))
    if opened.numbers is not None:
        opened.numbers.append(len(opened.numbers))


def _open_odd_form(raw: bytes | Raw, depth: int) -> Opened:
    first = first_byte(raw)
    if depth > DEPTH:
        return Opened(why="nested too deeply")
    if first == b"{":
        return _open_object(raw, depth)
    if first == b"[":
        opened = _open_list(raw, "[{}]", depth)
        return Opened(why="an array without an entry") if opened.empty else opened
    if first == b'"':
        return _open_text(raw, depth)
    if bytes(raw).strip() == b"null":
        return Opened()
    return Opened(why="neither a resource nor a Bundle")


def _open_text(raw: bytes | Raw, depth: int) -> Opened:
    """JSON text in a string (CPRS clients), or an error page (cds-hooks/docs issue 5)."""
    try:
        inner = decode(raw).encode("utf-8", "replace")
    except Unreadable as error:
        return Opened(why=str(error))
    if first_byte(inner) not in {b"{", b"["} and inner.strip() != b"null":
        return Opened(why="text that is not JSON")
    return open_value(inner, depth + 1)


def _open_object(raw: bytes | Raw, depth: int) -> Opened:
    try:
        envelope = ENVELOPE.decode(raw)
    except RecursionError:
        return Opened(why="nested too deeply")
    except UNFIT:
        return _open_odd(raw, depth)
    kind = _plain(envelope.resourceType)
    if kind == "Bundle" or (kind is None and first_byte(envelope.entry) == b"["):
        opened = _open_bundle(envelope)
        _read_links(opened, envelope.link)
        opened.meta = _plain(envelope.meta)
        opened.total = counted(_plain(envelope.total))
        if envelope.issues is not NOTHING:
            _add_issues(opened, envelope.issues)
        return opened
    if kind is None and bytes(envelope.resource):
        return _open_wrapper(envelope, depth)
    if not isinstance(kind, str):
        return Opened(why="without resourceType")
    return Opened([Entry(Raw(bytes(raw)))])


def _open_odd(raw: bytes | Raw, depth: int) -> Opened:
    """JSON that only the standard library can decode."""
    try:
        return open_value(repair(raw), depth + 1)
    except Unreadable as error:
        return Opened(why=str(error))


def _open_wrapper(envelope: Envelope, depth: int) -> Opened:
    if (status := _response_status(envelope)) and status >= "4":
        return Opened(why="the EHR answered with an HTTP error")
    return open_value(envelope.resource, depth + 1)


def _open_bundle(envelope: Envelope) -> Opened:
    if not bytes(envelope.entry):
        return Opened()
    first = first_byte(envelope.entry)
    if not first or bytes(envelope.entry).strip() == b"null":
        return Opened()
    if first == b"{":
        return _open_list(b"[" + bytes(envelope.entry) + b"]", ".entry", DEPTH)
    if first != b"[":
        return Opened(why="a Bundle whose entry is no list")
    try:
        return Opened(ENTRIES.decode(envelope.entry), ".entry[{}].resource")
    except UNFIT:
        return _open_list(envelope.entry, ".entry[{}]", DEPTH)


def _open_list(raw: bytes | Raw, step: str, depth: int) -> Opened:
    """Entries or resources one by one: what is junk does not spoil its neighbours."""
    numbers: list[int] = []
    opened = Opened(step=step, numbers=numbers)
    try:
        parts = RAWS.decode(raw)
    except RecursionError:
        return Opened(why="nested too deeply")
    except UNFIT:
        return _open_odd(raw, depth)
    for position, part in enumerate(parts):
        entry = _open_entry(opened, position, part)
        if entry is not None:
            opened.entries.append(entry)
            numbers.append(position)
    return opened


def _open_entry(opened: Opened, position: int, part: Raw) -> Entry | None:
    """The resource of one entry; what has none is put with the junk or the failures."""
    try:
        entry = ENVELOPE.decode(part)
    except UNFIT:
        empty = bytes(part).strip() == b"null"
        opened.junk.append((position, NO_RESOURCE if empty else "not an object"))
        return None
    first = first_byte(entry.resource)
    if _plain(entry.resourceType) is not None:
        return Entry(part)
    if first == b"{":
        return Entry(entry.resource, word(_plain(entry.fullUrl)), entry.extension, entry.response)
    if (_response_status(entry) or "2") >= "4":
        opened.failed += 1
    elif (outcome := outcome_in(entry.response)) is not None:
        return Entry(Raw(encode(outcome)))
    elif bytes(entry.extension) and (reason := absent_entry(_plain(part))):
        opened.absent.append(reason)
    elif first and first != b"n":
        opened.junk.append((position, "a resource that is not an object"))
    else:
        opened.junk.append((position, NO_RESOURCE))
    return None


def outcome_in(response: Raw) -> Doc | None:
    """The OperationOutcome that the response of an entry carries."""
    outcome = member(_plain(response), "outcome") if bytes(response) else None
    return outcome if isinstance(outcome, dict) else None


def _plain(raw: Raw) -> object:
    """A small member, decoded; None when it is missing or cannot be decoded."""
    text = bytes(raw)
    if not text or text == _BUNDLE:  # nearly always
        return "Bundle" if text else None
    try:
        return decode(raw)
    except Unreadable:
        return None


def counted(value: object) -> int | None:
    """A number of matches, in digits too, or with a decimal point."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
        return int(value)
    return int(value) if isinstance(value, int | float) and 0 <= value < 10**9 else None


def _response_status(envelope: Envelope) -> str | None:
    return word(member(_plain(envelope.response), "status"))


def _read_links(opened: Opened, raw: Raw) -> None:
    """The first link of each relation that is used. What is no link, or does not say of what kind
    it is (Bundle.link.relation is 1..1), may have been the one to a further page."""
    links = _plain(raw)
    if links is None and bytes(raw) not in (b"", b"null"):  # cannot be decoded
        opened.nameless_page = True
    for link in links if isinstance(links, list) else [links]:
        if not isinstance(link, dict):
            opened.nameless_page = opened.nameless_page or link not in (None, [])
            continue
        relation, url = _relation(link.get("relation")), link.get("url")
        if not isinstance(url, str) or not url.strip():
            opened.nameless_page = opened.nameless_page or relation in ("next", None)
        elif relation == "next":
            opened.next_link = opened.next_link or url.strip()
        elif relation == "self":
            opened.self_link = opened.self_link or url.strip()
        elif relation is None:
            opened.nameless_page = True


def _relation(value: object) -> str | None:
    """The relation of a link, in any case (RFC 8288 section 2.1.1); None where it names none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    name = word(value)
    return name.lower() if name else None
