"""The part of the report on layer-wise methods: figures of their history and a table of the methods."""
