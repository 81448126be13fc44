"""Acts that are refused, with a sentence for the person who tried."""


class ActRefused(Exception):
    """An act that would break a rule. Its text is made for the person who tried."""


class LastOwnerError(ActRefused):
    """The organization would be left without an owner who can sign in."""

    def __init__(self) -> None:
        super().__init__("The organization would be left without an owner. Make somebody else an owner first.")


class KeyInactiveError(ActRefused):
    """A revoked or expired key cannot be rotated."""

    def __init__(self, status: str) -> None:
        super().__init__(f"The key is {status}; only an active one can be rotated. Issue a new one.")


class StaleRotationError(ActRefused):
    """The key was rotated since the person looked: a second click, a reload, or a colleague."""

    def __init__(self) -> None:
        super().__init__("The key was rotated in the meantime. Look at its secrets before you rotate it once more.")
