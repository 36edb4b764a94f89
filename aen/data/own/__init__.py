"""Own data: npz files, class folders, IDX, csv, Parquet and Arrow files, and arrays in memory.

A reader (`scan`) finds files and labels, `assemble` brings images to one size, `prepare` checks all of it, finds
near-duplicates and keeps the result in the cache, and `split` divides it by groups.
"""
