"""Events as they happen, for any number of watchers: each is read once and encoded once."""
