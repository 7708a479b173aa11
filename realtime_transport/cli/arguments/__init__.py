"""What the command line understands, a file for each command that takes more than a few arguments."""
