"""What every part of a run spec is."""

import pydantic


class Part(pydantic.BaseModel):
    """Fields that are known and cannot change."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)
