"""Who of a client sees which cards: off, shadow or live, for some users, cards and rules."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from cds_service.knowledge.variants import PARTS

Mode = Literal["off", "shadow", "live"]
"""`off`: nothing is decided. `shadow`: decided and recorded, and not shown. `live`: shown."""

_OPENNESS: Final = ("off", "shadow", "live")
DEPARTMENT: Final = "org.example.ho-cds.department"
"""Member of a call's `extension` that names the department; CDS Hooks 2.0 has none of its own."""

Word = Annotated[str, Field(min_length=1, max_length=500)]
UserHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("must not be empty: leave it out, or name some")
    return value


SOME: Final = AfterValidator(_some)
"""An empty list could be meant for nobody or for everybody."""


class Rollout(BaseModel):
    """What a client's registration says of who sees cards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    mode: Mode = Field(
        default="live",
        description="`off`: every call gets an empty list at once, of genetic HO, too. `shadow`: "
        "decided and recorded, and answered like silence. `live`: cards are shown.",
    )
    genetic: Literal["shadow", "live"] | None = Field(
        default=None,
        description="The mode of cards about genetic HO, for all users, unless `mode` is `off`; "
        "unset: as all cards.",
    )
    share: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Percent of users who see cards; the others are in shadow. Needs CDS_USER_KEY.",
    )
    users: Annotated[tuple[UserHash, ...], SOME] | None = Field(
        default=None,
        strict=False,
        description="Hashes of users who see cards whatever share and department, as "
        "`cds-service clients hash` prints them; alone, nobody else does. Needs CDS_USER_KEY.",
    )
    departments: Annotated[tuple[Word, ...], SOME] | None = Field(
        default=None,
        strict=False,
        description="Departments whose users see cards, as the call names them.",
    )
    department_from: Word = Field(
        default=DEPARTMENT,
        description="Member of the call's `extension` in which the EHR sends the department.",
    )
    cards: dict[Word, Mode] = Field(
        default_factory=dict,
        description="The mode of single cards, by their id; none about genetic HO.",
    )
    rules: dict[Word, Mode] = Field(
        default_factory=dict,
        description="The mode of single rules, none about genetic HO. A card goes by the most "
        "open of those it rests on.",
    )

    @cached_property
    def is_plain(self) -> bool:
        """Whether all cards are live for all users."""
        return not self.said()

    @property
    def needs_key(self) -> bool:
        """Whether users are told apart by a keyed hash."""
        return self.users is not None or self.share is not None

    def said(self) -> dict[str, object]:
        """What differs from all being live, for the audit stream; of users only their number."""
        found = {name: getattr(self, name) for name in sorted(Rollout.model_fields)}
        if self.users is not None:
            found["users"] = len(self.users)
        usual = {
            name: field.get_default(call_default_factory=True)
            for name, field in Rollout.model_fields.items()
        }
        return {name: value for name, value in found.items() if value != usual[name]}

    def picks(self, client: str, user: str | None, extension: object, key: bytes) -> bool:
        """Whether a user sees cards. `user` is `context.userId`, `extension` the call's, undecoded.
        Who sends no user or department is in no share and no list."""
        if self.users is not None:
            if user and user_hash(key, client, user) in self.users:
                return True
            if self.share is None and self.departments is None:
                return False
        departments = self.departments
        if departments is not None and _member(extension, self.department_from) not in departments:
            return False
        if self.share is None or self.share == 100:
            return True
        return user is not None and drawn(key, client, user) < self.share

    def of_card(self, card: str, rules: Collection[str], *, is_genetic: bool) -> Mode:
        """The mode of one card; `rules` are those that it rests on."""
        if is_genetic:  # no switch of a card or rule silences it
            return self.genetic or self.mode
        if (said := self.cards.get(card)) is not None:
            return said
        modes = [self.rules.get(rule, self.mode) for rule in rules]
        return max(modes, key=_OPENNESS.index, default=self.mode)


def _closer(one: Mode, other: Mode) -> Mode:
    return min(one, other, key=_OPENNESS.index)


def _member(extension: object, name: str) -> object:
    """A member of a call's extension; None where there is none, or it is no text."""
    if not isinstance(extension, msgspec.Raw):
        return None
    try:
        decoded = msgspec.json.decode(extension)
    except (msgspec.DecodeError, RecursionError):
        return None
    found = decoded.get(name) if isinstance(decoded, Mapping) else None
    return found if isinstance(found, str) else None


# --- users ---


def user_hash(key: bytes, client: str, user: str) -> str:
    """The hash of a user in a client's list: 64 hex digits. Another key or client gives another."""
    return _digest(key, b"listed", client, user).hex()


def drawn(key: bytes, client: str, user: str) -> float:
    """The lot of a user, from 0 up to 100: always the same one, and no share takes it back that
    a smaller one gave."""
    return int.from_bytes(_digest(key, b"share", client, user)[:8], "big") / 2**64 * 100


def variant_lot(key: bytes, client: str, user: str, card: str, variants: int) -> tuple[int, int]:
    """Which of so many variants of a card's words a user gets, and in which of its `PARTS` the user
    is: always the same, and independent of any share and of other cards."""
    place = int.from_bytes(_digest(key, f"variant {card}".encode(), client, user)[:8], "big")
    cell = place * variants * PARTS >> 64
    return cell % variants, cell // variants


def _digest(key: bytes, purpose: bytes, client: str, user: str) -> bytes:
    """HMAC-SHA-256 (RFC 2104). Of an absolute URL only `Type/id` counts: EHRs send both."""
    bare = "/".join(user.strip().rstrip("/").split("/")[-2:])
    return hmac.digest(key, b"\0".join((purpose, client.encode(), bare.encode())), "sha256")


# --- a call ---


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the cards of one call stand: whether its user is picked to see cards, and the rollout of
    its client (None: all is live)."""

    rollout: Rollout | None = None
    picked: bool = True

    @property
    def arm(self) -> Mode:
        """The mode of the call as a whole: `shadow` for whoever is not picked."""
        mode = self.rollout.mode if self.rollout is not None else "live"
        return mode if self.picked else _closer(mode, "shadow")

    def of_card(self, card: str, rules: Collection[str], *, is_genetic: bool) -> Mode:
        """The mode of one card."""
        if self.rollout is None:
            return "live"
        mode = self.rollout.of_card(card, rules, is_genetic=is_genetic)
        for_all = self.picked or (is_genetic and self.rollout.genetic is not None)
        return mode if for_all else _closer(mode, "shadow")


ALL_LIVE: Final = Exposure()
