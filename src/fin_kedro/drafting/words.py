"""What names of columns and levels tell, in a few languages: a guess that somebody must confirm."""

from __future__ import annotations

import re
import unicodedata


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Each set holds words as `words_of` gives them: small letters, no accents.
PROTECTED = _set(
    "sex gender geschlecht sexe sexo sesso geslacht plec genre age alter edad leeftijd wiek eta "
    "race ethnicity ethnic ethnie rasse raza etnia marital marriage married familienstand "
    "civil civile nationality nationalitat nationalitaet nationalite nacionalidad nazionalita "
    "citizenship staatsangehorigkeit staatsangehoerigkeit foreign religion konfession religione "
    "disability behinderung pregnant pregnancy orientation"
)
AGE = _set("age alter edad leeftijd wiek eta")
# Words beside "age" that make it one of a thing, not of a person.
OF_A_THING = _set(
    "account acct loan car vehicle auto history file bureau line trade oldest newest property "
    "house building konto kredit contract months mths employment company business"
)
PERSONAL = _set(
    "email mail phone telefon telephone telefono tel mobile handy iban ssn passport pesel nif dni "
    "address adresse anschrift direccion indirizzo street strasse rue calle birth birthday dob "
    "birthdate geburtsdatum geburt geburtstag naissance nacimiento nascita surname lastname "
    "firstname vorname nachname apellido apellidos prenom cognome fullname ip"
)
NAMES = _set("name names nom nome nombre naam imie")
OF_A_PERSON = _set(
    "first last full sur family middle given client customer kunde kunden person borrower "
    "applicant debtor cliente"
)
PLACE = _set("zip zipcode postcode postal plz cap postleitzahl")
TARGET = _set(
    "target default defaulted bad outcome label ausfall ausgefallen defaut impago fraud isfraud "
    "y seriousdlqin2yrs incumplimiento insolvenz"
)
MAYBE_TARGET = _set(
    "class status result response risk good paid repaid churn delinquent delinquency flag "
    "resultado ergebnis kredit"
)
GOOD_NAME = _set("good paid repaid approved repayment gut bezahlt bueno bon")
BAD_LEVEL = _set(
    "bad default defaulted fraud unpaid late schlecht ausfall ausgefallen mauvais defaut malo "
    "impago fail failed loss delinquent chargedoff true yes y t 1 ja si oui"
)
BAD_PHRASES = frozenset(["charged off", "not repaid", "not paid", "in default", "written off"])
ID = _set(
    "id ids nr no num number nummer numero key uuid guid ref reference idx index row rowid "
    "unnamed referenz kennung"
)
TIME = _set(
    "date time day datum fecha data requested request created opened open issue issued issuing "
    "application applied antrag antragsdatum timestamp booked origination start granted"
)
OTHER_TIME = _set(
    "birth dob geburt geburtsdatum naissance nacimiento end ende maturity closed close last next "
    "update updated paid due default payment"
)
AFTERWARDS = _set(
    "recovery recoveries recovered collection collections chargeoff writeoff settlement inkasso "
    "verlust loss lgd dunning mahnung foreclosure"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words_of(name: str) -> list[str]:
    """The words of a name: ``custAge_2`` has cust, age and 2; without accents, in small letters."""
    plain = unicodedata.normalize("NFKD", _CAMEL.sub(" ", name.replace("ß", "ss")))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return [word for word in re.split(r"[\W_]+", bare.casefold()) if word]


def is_protected(name: str) -> bool:
    """Whether a name tells of an attribute that the law protects; the age of a car is none."""
    found = set(words_of(name))
    if found & OF_A_THING and found & {"age", "alter", "edad"}:
        return False
    return bool(found & PROTECTED)


def is_personal(name: str) -> bool:
    """Whether a name tells of what identifies a person: a name, an address, a day of birth."""
    found = words_of(name)
    if set(found) & PERSONAL:
        return True
    return bool(set(found) & NAMES) and (len(found) == 1 or bool(set(found) & OF_A_PERSON))


def is_id(name: str) -> bool:
    """Whether a name tells of an identifier."""
    found = words_of(name)
    return bool(set(found) & ID) or (bool(found) and found[-1].endswith(("id", "nr")))


def target_weight(name: str) -> int:
    """How plainly a name tells of the outcome: 2, 1 or 0."""
    found = set(words_of(name))
    return 2 if found & TARGET else 1 if found & MAYBE_TARGET else 0


def is_bad(level: object) -> bool:
    """Whether a level of an outcome tells that it is the bad one."""
    text = " ".join(words_of(str(level)))
    return text in BAD_LEVEL or text in BAD_PHRASES
