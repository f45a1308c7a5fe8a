"""What names tell: in several languages, and not where the same word means a thing."""

from __future__ import annotations

import pytest

from fin_kedro.drafting import words


@pytest.mark.parametrize(
    "name", ["SEX", "custGender", "Geschlecht", "estado_civil", "âge", "Nationalität", "religion"]
)
def test_protected_attributes_are_known(name: str) -> None:
    assert words.is_protected(name)


@pytest.mark.parametrize(
    "name", ["car_age", "accountAge", "wage", "message", "percentage", "usage"]
)
def test_the_age_of_a_thing_is_none(name: str) -> None:
    assert not words.is_protected(name)


@pytest.mark.parametrize("name", ["Vorname", "customer_name", "E-Mail", "Straße", "prénom", "dob"])
def test_personal_data_are_known(name: str) -> None:
    assert words.is_personal(name)


@pytest.mark.parametrize("name", ["product_name", "income", "purpose", "n_emails_sent"])
def test_other_names_are_not_personal(name: str) -> None:
    assert not words.is_personal(name)


@pytest.mark.parametrize("name", ["SK_ID_CURR", "loanid", "Kundennr", "Unnamed: 0", "row number"])
def test_ids_are_known(name: str) -> None:
    assert words.is_id(name)


@pytest.mark.parametrize(
    ("level", "bad"),
    [
        ("Charged Off", True),
        ("bad", True),
        (1, True),
        (True, True),
        ("Fully Paid", False),
        (0, False),
    ],
)
def test_bad_levels_are_known(level: object, bad: bool) -> None:
    assert words.is_bad(level) is bad
