"""What the numbers in messages and in HELLO mean, in words, each in its number's place. Only the bridge loads this."""

CHANNEL_NAMES = ("control", "drawer", "scanner", "indicator", "printer", "update")
KICK_OUTCOMES = ("opened", "unverified", "drawer_stuck", "expired", "repeated", "duty", "invalid", "printer_power")
DRAWER_STATES = ("unknown", "closed", "open")
SCANNER_STATES = ("reading", "off", "held")  # held: the ring is nearly full
PATTERNS = ("off", "ready", "waiting", "fault", "safe_mode", "starting")
JOB_PHASES = ("none", "receiving", "ended", "written", "proven", "aborted")
ABORT_REASONS = ("", "printer_power", "job_replaced", "job_overrun")
PRINTER_CONDITIONS = ("unknown", "answering", "silent")
RESET_CAUSES = ("unknown", "power_on", "watchdog", "software", "brown_out", "soft_reset")
