"""`python -m piapp` is `piapp`."""

from piapp.cli.app import main

if __name__ == "__main__":
    main()
