"""The HTTP interface: one table of routes builds the dispatch, the checks and the OpenAPI document."""
