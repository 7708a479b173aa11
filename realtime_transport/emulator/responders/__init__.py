"""What the model replies: the echo, directives in the text, and scripts."""
