"""What requests and answers look like: each body is checked here, once, on arrival."""
