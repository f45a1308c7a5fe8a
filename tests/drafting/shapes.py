"""Tables of different shapes, made by a seed, as banks deliver them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd


def _bad(rng: np.random.Generator, score: np.ndarray) -> np.ndarray:
    return rng.random(len(score)) < 1 / (1 + np.exp(-score))


def special_codes(folder: Path, rows: int = 2000) -> Path:
    """-9, 96, 98, 9999999 and 1900-01-01 where nothing was known."""
    rng = np.random.default_rng(1)
    late = rng.poisson(0.5, rows)
    income = rng.lognormal(7.7, 0.5, rows).round(0)
    bad = _bad(rng, late - 0.0003 * income)
    since = pd.Timestamp("2005-01-01") + pd.to_timedelta(rng.integers(0, 6000, rows), "D")
    table = pd.DataFrame(
        {
            "client_id": np.arange(50_001, 50_001 + rows),
            "late_payments": np.where(rng.random(rows) < 0.1, 98, late),
            "income": np.where(rng.random(rows) < 0.05, 9_999_999, income).astype(int),
            "years_employed": np.where(rng.random(rows) < 0.1, -9, rng.poisson(6, rows)),
            "client_since": np.where(
                rng.random(rows) < 0.1, "1900-01-01", since.strftime("%Y-%m-%d")
            ),
            "age": rng.integers(19, 80, rows),
            "default": bad.astype(int),
        }
    )
    table.to_csv(folder / "codes.csv", index=False)
    return folder / "codes.csv"


def strings(folder: Path, rows: int = 1500) -> Path:
    """Levels with blanks, accents and a quote, yes and no, leading zeros, words for missing."""
    rng = np.random.default_rng(2)
    job = rng.choice(["Bäcker", "chargé d'affaires", "sous chef", 'the "boss"', "n/a"], rows)
    owns = rng.choice(["yes", "no"], rows)
    bad = _bad(rng, (job == "sous chef") - 1.0 * (owns == "yes") - 0.5)
    table = pd.DataFrame(
        {
            "Antrag Nr": [f"A{n:07d}" for n in rng.permutation(rows)],
            "Beruf": job,
            "owns home": owns,
            "branch code": rng.choice(["0012", "0815", "4711"], rows),
            "E-Mail": [f"person{n}@bank.example" for n in range(rows)],
            "Vorname": rng.choice(["Ann", "Bo", "Cem", "Dörte"], rows),
            "Geschlecht": rng.choice(["m", "w", "divers"], rows, p=[0.49, 0.49, 0.02]),
            "Staatsangehörigkeit": rng.choice(["DE", "FR", "TR"], rows),
            "Länge": rng.normal(10, 2, rows).round(2),
            "Ausgang": np.where(bad, "schlecht", "gut"),
        }
    )
    table.to_csv(folder / "texts.csv", index=False, encoding="latin-1")
    return folder / "texts.csv"


def dates(folder: Path, rows: int = 2000) -> Path:
    """Days as 24.12.2025: of the application, of birth, before it and after; a score beside."""
    rng = np.random.default_rng(3)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), "D")
    born = pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 20_000, rows), "D")
    score = rng.integers(300, 850, rows)
    table = pd.DataFrame(
        {
            "loan_no": [f"L-{n:05d}" for n in range(rows)],
            "application_date": days.strftime("%d.%m.%Y"),
            "birth_date": born.strftime("%d.%m.%Y"),
            "first_contact": (days - pd.Timedelta("30D")).strftime("%d.%m.%Y"),
            "client_from": (days - pd.to_timedelta(rng.integers(0, 3000, rows), "D")).strftime(
                "%d.%m.%Y"
            ),
            "closing_day": (days + pd.to_timedelta(rng.integers(-99, 900, rows), "D")).strftime(
                "%d.%m.%Y"
            ),
            "bureau_score": score,
            "amount": rng.integers(5, 200, rows) * 100,
            "loan_status": np.where(
                _bad(rng, (500 - score) / 100),
                "Charged Off",
                rng.choice(["Fully Paid", "Current"], rows),
            ),
        }
    )
    table.to_csv(folder / "days.csv", index=False)
    return folder / "days.csv"


def leak(folder: Path, rows: int = 1500) -> Path:
    """A column that is filled after the outcome, in Parquet."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(rows, 3))
    bad = _bad(rng, x[:, 0] - 1)
    table = pd.DataFrame(
        {
            "id": rng.permutation(rows) + 1,
            "utilisation": x[:, 0].round(3),
            "tenure": np.exp(x[:, 1]).round(2),
            "paid_share": np.where(bad, rng.uniform(0, 0.5, rows), rng.uniform(0.5, 1, rows)),
            "is_bad": bad,
        }
    )
    table.to_parquet(folder / "leak.parquet", index=False)
    return folder / "leak.parquet"


def wide(folder: Path, rows: int = 1000, columns: int = 56) -> Path:
    """Sixty columns: numbers, whole numbers with gaps, a constant, an empty one."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, columns)).round(4)
    table = pd.DataFrame(x, columns=[f"v{n}.mean" for n in range(columns)])
    table["v0.mean"] = table["v0.mean"].mask(rng.random(rows) < 0.2)
    table["count"] = pd.Series(rng.poisson(3, rows)).where(rng.random(rows) > 0.1)
    table["constant"] = 1
    table["empty"] = pd.Series([None] * rows, dtype="string")
    table["target"] = _bad(rng, x[:, 1] - 1).astype("int8")
    table.to_parquet(folder / "wide.parquet", index=False)
    return folder / "wide.parquet"


def tiny(folder: Path, rows: int = 200) -> Path:
    """Two hundred rows, none with a number of its own, split by tabs, NA for missing."""
    rng = np.random.default_rng(6)
    duration = rng.integers(4, 60, rows)
    table = pd.DataFrame(
        {
            "duration": duration,
            "purpose": rng.choice(["car", "radio/tv", "education"], rows),
            "amount": pd.Series(rng.integers(200, 15_000, rows)).mask(rng.random(rows) < 0.1),
            "foreign_worker": rng.choice(["yes", "no"], rows, p=[0.9, 0.1]),
            "credit_risk": np.where(_bad(rng, duration / 20 - 2.5), "bad", "good"),
        }
    ).astype({"amount": "Int64"})
    table.to_csv(folder / "tiny.txt", index=False, sep="\t", na_rep="NA")
    return folder / "tiny.txt"


def german(folder: Path, rows: int = 1500) -> Path:
    """Semicolons, decimal commas, points between thousands, Windows-1252 with a euro sign."""
    rng = np.random.default_rng(7)
    income = rng.lognormal(8, 0.6, rows).round(2)
    share = rng.beta(2, 5, rows).round(3)
    table = pd.DataFrame(
        {
            "Kundennr": rng.permutation(rows) + 100_000,
            "Einkommen €": [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in income],
            "Quote": [str(v).replace(".", ",") for v in share],
            "Familienstand": rng.choice(["ledig", "verheiratet", "geschieden"], rows),
            "Alter": rng.integers(18, 90, rows),
            "Ausfall": _bad(rng, 4 * share - 2.5).astype(int),
        }
    )
    table.to_csv(folder / "german.csv", index=False, sep=";", encoding="cp1252")
    return folder / "german.csv"


SHAPES: dict[str, Callable[[Path], Path]] = {
    make.__name__: make for make in (special_codes, strings, dates, leak, wide, tiny, german)
}
