"""`python -m tuneset` is `tuneset`."""

from tuneset.cli import main

if __name__ == "__main__":
    main()
