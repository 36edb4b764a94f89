"""What the files of runs say, quickly: large ones are read once, then only what was appended to them."""
