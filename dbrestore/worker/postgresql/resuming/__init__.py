"""A replay is carried on where an earlier attempt was cut off."""
