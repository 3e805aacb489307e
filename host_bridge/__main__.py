"""`python -m host_bridge` is `counterhub`."""

from host_bridge.cli import main

if __name__ == "__main__":
    main()
