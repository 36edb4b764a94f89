"""The data sets that have a name: one file each, with its reader, its files and how to get them."""
