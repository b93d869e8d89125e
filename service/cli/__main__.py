"""Run the command line with `python -m service.cli`."""

from service.cli.commands import main

if __name__ == "__main__":
    main()
