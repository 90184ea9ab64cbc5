"""What the make targets run: nothing here is installed with the program."""
