"""`python -m piapp` is `piapp`."""

from piapp.cli import main

if __name__ == "__main__":
    main()
