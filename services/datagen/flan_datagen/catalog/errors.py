"""The fault of the catalog, below everything that raises it."""

from flan_shared.errors import FlanError


class CatalogError(FlanError):
    """A catalog file that cannot be used; the message names file, dataset and template."""
