"""The fast path of dense children: gradients written out, and many children trained together."""
