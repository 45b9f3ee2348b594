"""One paper, one file, one yaml under conf/model; models never import each other."""
