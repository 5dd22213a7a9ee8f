"""The shape of `overlay.yaml`, the file in which a hospital changes the clinical content."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from cds_service.knowledge.schema import LinkText, ReasonText, Regimen
from cds_service.knowledge.when import Id, Model, Text


class CourseChange(Model):
    """Changes of a course; what is not named stays. Numbers change only with their words."""

    system: str | None = None
    code: str | None = None
    display: str | None = None
    dose: float | None = Field(default=None, gt=0)
    unit: str | None = None
    per_day: int | None = Field(default=None, gt=0, le=6)
    days: int | None = Field(default=None, gt=0, le=42)
    instruction: Text | None = None


class RegimenChange(Model):
    """Changes of one NSAID course."""

    enabled: bool | None = None
    drug: Id | None = None
    label: Text | None = None
    off_label: Text | None = None
    course: CourseChange | None = None


class ProtectionChange(Model):
    """Changes of the gastroprotection that goes with an NSAID course."""

    label: Text | None = None
    course: CourseChange | None = None


class LimitChange(Model):
    """New windows (days) and thresholds of a rule, for limits that the rule already has."""

    within_days: int | None = Field(default=None, gt=0)
    older_than_days: int | None = Field(default=None, gt=0)
    below: float | None = None
    at_least: float | None = None
    above: float | None = None


class AdequateChange(Model):
    """When prophylaxis counts as already ordered."""

    min_days: int | None = Field(default=None, gt=0)
    starts_within_days: int | None = Field(default=None, gt=0)


class ReferralChange(Model):
    """Words of a referral draft."""

    label: Text | None = None
    text: Text | None = None
    note: Text | None = None


class VariantWords(Model):
    """Other words of a card that say the same; what is not named stays as it is."""

    summary: Text | None = None
    summary_short: Text | None = None
    summary_none_left: Text | None = None
    advice: tuple[Text, ...] | None = Field(default=None, min_length=1)
    advice_none_left: tuple[Text, ...] | None = Field(default=None, min_length=1)
    advice_elective: Text | None = None


class Overlay(Model):
    """All that a site can change. Rules are named by their id."""

    name: Text
    approved: Text | None = None
    """Who approved it, and when; stands in the history of the content in force."""
    rules: Mapping[Id, bool] = Field(default_factory=dict)
    options: Mapping[Id, bool] = Field(default_factory=dict)
    regimens: Mapping[Id, RegimenChange] = Field(default_factory=dict)
    new_regimens: tuple[Regimen, ...] = ()
    regimen_order: tuple[Id, ...] = ()
    protection: ProtectionChange | None = None
    limits: Mapping[Id, LimitChange] = Field(default_factory=dict)
    tier_high_at: int | None = Field(default=None, ge=2)
    adequate: AdequateChange | None = None
    override_reasons: tuple[ReasonText, ...] = ()
    card_override: Mapping[Id, tuple[Id, ...]] = Field(default_factory=dict)
    contact: Text | None = None
    links: tuple[LinkText, ...] = ()
    referrals: Mapping[Id, ReferralChange] = Field(default_factory=dict)
    variants: Mapping[Id, Mapping[Id, VariantWords]] = Field(default_factory=dict)
    """By card, then by name: words that are tried beside the card's own, a part of the users
    each. Needs CDS_USER_KEY."""
