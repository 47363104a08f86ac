"""Says in which step an exception of the user's code was raised."""

from revolve_ad.errors import RevolveError, WriteError

__all__ = ["blame"]


def blame(error: Exception, where: str) -> None:
    """Add to an exception where it was raised; its type and traceback stay.

    Parameters
    ----------
    error : Exception
        The exception being handled; raise it again after this.
    where : str
        Such as ``"step 3"``.

    Raises
    ------
    WriteError
        In its place, if it came of a write into memory that may only be read.
    """
    text = str(error)
    if (
        isinstance(error, ValueError)
        and "read-only" in text
        and not isinstance(error, RevolveError)
    ):
        raise WriteError(
            f"{where}: something was written that may only be read ({text}). A step may update "
            "its state in place, but neither params nor inputs: copy them first, or make what "
            "changes a part of the state."
        ) from error
    error.add_note(f"revolve_ad: raised in {where}")
