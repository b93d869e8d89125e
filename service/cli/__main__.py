"""`python -m service.cli` runs the command line."""

from service.cli.commands import main

if __name__ == "__main__":
    main()
