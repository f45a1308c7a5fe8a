"""A contract to begin with, where there is neither a contract nor a file: small, and it runs."""

from __future__ import annotations

from fin_kedro.drafting.yaml_text import comment, questions, scalar

_COLUMNS = """\
      # One column tells the rows apart. A text keeps leading zeros.
      - name: application_no
        description: Number of the application.
        logicalType: string
        required: true
        customProperties: [{property: role, value: id}]

      # A feature is what the model may see. The range refuses what cannot be; expectedSign says
      # whether more of it means more bad rows (positive) or fewer (negative).
      - name: income
        description: Net income a month.
        logicalType: number
        required: false            # a missing value is allowed
        logicalTypeOptions: {minimum: 0, maximum: 20000}
        examples: [2400.5]
        customProperties:
          - {property: role, value: feature}
          - {property: expectedSign, value: negative}
          - {property: reasonCode, value: INCOME}
          - {property: reason, value: "The income stated is low"}

      - name: debt_share
        description: Share of the income that goes to debts.
        logicalType: number
        required: true
        logicalTypeOptions: {minimum: 0, maximum: 2}
        examples: [0.25]
        customProperties:
          - {property: role, value: feature}
          - {property: expectedSign, value: positive}
          - {property: reasonCode, value: DEBT}
          - {property: reason, value: "Much of the income goes to debts"}

      # A whole number with a code that means "not known"; the range does not bind the code.
      - name: late_payments
        description: Payments made late in the last year; -9 where there is no history.
        logicalType: integer
        required: true
        logicalTypeOptions: {minimum: 0, maximum: 12}
        examples: [1]
        customProperties:
          - {property: role, value: feature}
          - {property: missingCodes, value: [-9]}
          - {property: expectedSign, value: positive}
          - {property: reasonCode, value: LATE}
          - {property: reason, value: "Payments were late in the last year"}

      # Levels without an order: every allowed one is listed.
      - name: purpose
        description: What the money is for.
        logicalType: string
        required: true
        enum:
          - {value: buy}
          - {value: build}
          - {value: renew}
        examples: [buy]            # the first one stands in the service's example request
        customProperties:
          - {property: role, value: feature}
          - {property: reasonCode, value: PURPOSE}
          - {property: reason, value: "Loans for this purpose fail more often"}

      # Protected: kept to measure fairness, never a feature.
      - name: age
        description: Age in years.
        logicalType: integer
        required: true
        logicalTypeOptions: {minimum: 18, maximum: 90}
        classification: protected
        customProperties: [{property: role, value: protected}]

      # A day of the application may be added, with role time; then parameters must say
      # split.out_of_time_from. What no model needs has role ignored.

      # The outcome; its bad value is the table's event, above.
      - name: outcome
        description: Whether the loan was repaid.
        logicalType: string
        required: true
        enum:
          - {value: good}
          - {value: bad}
        customProperties: [{property: role, value: target}]
"""


def skeleton_text(name: str) -> str:
    """A contract of seven columns, of each kind one, with what to change in comments."""
    lines = [
        *comment(
            f"Begun by `kedro workflow new {name}`: a contract that runs, with a column of each "
            "kind. Replace the columns by those of your table (docs/contracts.md), or draft them "
            "from a file: `kedro workflow new ... --file FILE`."
        ),
        "apiVersion: v3.1.0",
        "kind: DataContract",
        f"id: {scalar(name.replace('_', '-'))}",
        f"name: {scalar(name)}",
        "version: 0.1.0",
        "status: draft",
        "schema:",
        f"  - name: {scalar(name)}",
        "    physicalType: table",
        *questions(["which value of the outcome is the bad one?"], 4),
        "    customProperties:",
        '      - {property: event, value: "bad"}',
        "    properties:",
        *questions(["which columns has your table, and what do they mean?"], 6),
    ]
    return "\n".join(lines) + "\n" + _COLUMNS
