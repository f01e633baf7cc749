"""Units for other schedulers, exact or not at all: one module per target, and what they share."""
