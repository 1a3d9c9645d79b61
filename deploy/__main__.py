"""`python -m deploy` is `headrace`."""

from deploy.cli import main

if __name__ == "__main__":
    main()
