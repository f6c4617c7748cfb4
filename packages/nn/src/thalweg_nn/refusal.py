"""How this package refuses arguments: one form of error for layers, losses, optimizers, schedules and averages."""
from thalweg.framework import errors
from thalweg.framework.naming import user_frame


def refused(who, problem, got=None, expected=None, hint=None, kind=ValueError):
    """An error of class `kind` that says what `who` refuses, and the user's line.

    Parameters
    ----------
    who : str                       what refuses, 'optimizer "Adam"'
    problem : str                   what is wrong
    got, expected, hint : str       rows of the message; None: left out
    """
    return kind(errors.explain(f"{who}: {problem}", got=got, expected=expected, hint=hint, built_at=user_frame()))
