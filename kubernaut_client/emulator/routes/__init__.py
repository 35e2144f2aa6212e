"""The handlers of the service's routes, one module per kind of thing."""
