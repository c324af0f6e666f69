"""What can go wrong between bytes and messages, by what the caller has to do.

    ValueError
    ├── Undecodable          the record is to blame: make it a dead letter
    └── Unencodable          our message is to blame: a bug, or a figure that does not fit its field exactly

    RegistryError
    ├── RegistryUnavailable  nobody is to blame: try again after a while, the record may be fine
    ├── RegistryRefused      the set-up is to blame: stop and show it to a person
    └── UnknownSchema        the registry is certain that it has no such schema

Decides: the names. Leaves to others: dead letters, retries and stops.
"""

NOT_AVRO = "NOT_AVRO"
TRUNCATED = "TRUNCATED"
TRAILING_BYTES = "TRAILING_BYTES"
UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
TOO_LARGE = "TOO_LARGE"
BAD_VALUE = "BAD_VALUE"
NOT_AN_INPUT = "NOT_AN_INPUT"
"""The one code that is no fault of the bytes: a readable record of a kind that does not belong on the tape."""


class Undecodable(ValueError):
    """Bytes that are no record of ours."""

    def __init__(self, error: str, detail: str, schema_id: int | None = None) -> None:
        super().__init__(f"{error} {detail}")
        self.error = error
        self.detail = detail
        self.schema_id = schema_id


class Unencodable(ValueError):
    """A message whose field at `path` cannot be written without changing it."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.problem = problem
        self.path = path

    def within(self, step: str) -> "Unencodable":
        """Give the same error, seen from one level further out."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return Unencodable(self.problem, f"{step}{joint}{self.path}")


class RegistryError(Exception):
    """A schema registry did not give what was asked."""


class RegistryUnavailable(RegistryError):
    """It could not be asked, or could not answer now. Ask again after `after_s`."""

    def __init__(self, detail: str, after_s: float) -> None:
        super().__init__(detail)
        self.after_s = after_s


class RegistryRefused(RegistryError):
    """It answered no: credentials, an incompatible schema, a wrong address. Asking again will not help."""


class UnknownSchema(RegistryError):
    """It has no schema of this id or name."""
