"""An environment that has what the command needs and not what the local cloud needs."""


def lacks(error: ModuleNotFoundError) -> str:
    """What to tell of a package that isn't there. Raises the error itself for a module of the checkout: that is a bug."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "localcloud", "dbrestore", "lambdas", "infrastructure", "statemachine"):
        raise error
    return f"The local cloud needs the package {package}, which isn't installed here: run `make install` in the checkout"
