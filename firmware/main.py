"""Start the hub. Comes after boot.py; if it ends, the watchdog resets the board."""

from hub import app

app.main()
