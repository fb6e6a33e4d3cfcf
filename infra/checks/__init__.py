"""The long checks of `make verify`, over the real parts that a machine without Docker and without AWS can have."""
