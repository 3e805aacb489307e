"""The faults as they travel on the link and show on the LED; the sentences for people are in host_bridge/watch.

A fault's number is for ever. Blinks: how often a one-colour LED flashes for it before it pauses.
A hub lets go of this table when it has started: what it needs of it then is in faults.py and hub/faults.py.
"""

ERROR, WARNING, NOTICE = SEVERITIES = "error", "warning", "notice"  # the most severe first

# number, code, device, severity, blinks
FAULTS = (
    # A clerk can mend these.
    (1, "paper_end", "printer", ERROR, 2),
    (2, "cover_open", "printer", ERROR, 3),
    (3, "cutter", "printer", ERROR, 4),
    (4, "printer_power", "printer", ERROR, 5),
    (5, "scanner_unplugged", "scanner", ERROR, 6),
    (6, "drawer_stuck", "drawer", ERROR, 7),
    (7, "paper_near_end", "printer", WARNING, 2),
    (8, "scans_waiting", "scanner", WARNING, 6),
    (9, "drawer_left_open", "drawer", NOTICE, 7),
    (10, "scanner_garbled", "scanner", WARNING, 8),
    (11, "drawer_forced_open", "drawer", WARNING, 5),
    (12, "drawer_switch", "drawer", WARNING, 4),
    (13, "scanner_restarted", "scanner", WARNING, 3),
    # These want a technician.
    (20, "printer_error", "printer", ERROR, 8),
    (21, "safe_mode", "hub", ERROR, 9),
    (22, "task_failed", "hub", WARNING, 9),
    (23, "board_file", "hub", ERROR, 10),
    (24, "indicator", "hub", WARNING, 10),
    (25, "printer_left_out", "printer", ERROR, 10),
    (26, "scanner_left_out", "scanner", ERROR, 10),
    (27, "drawer_left_out", "drawer", ERROR, 10),
    (28, "hub_storage", "hub", WARNING, 11),
    # What the bridge finds out and tells the hub.
    (40, "journal_full", "bridge", ERROR, 11),
    (41, "on_backup_path", "link", WARNING, 1),
    (42, "backup_path_down", "link", WARNING, 12),
    (43, "backup_other_hub", "link", WARNING, 12),
    # The link itself: the bridge's side of it, from NOT_SENT on never sent; the hub shows "waiting" while it is down.
    (60, "port_missing", "link", ERROR, 1),
    (61, "port_busy", "link", ERROR, 1),
    (62, "permission_denied", "link", ERROR, 1),
    (63, "hub_silent", "link", ERROR, 1),
    (64, "checksum_errors", "link", ERROR, 1),
    (65, "hub_at_prompt", "link", ERROR, 1),
    (66, "firmware_too_old", "link", ERROR, 1),
    (67, "bridge_too_old", "link", ERROR, 1),
    (68, "link_error", "link", ERROR, 1),
    (69, "two_hubs", "link", ERROR, 1),
    (70, "other_hub", "link", ERROR, 1),
    (71, "same_hub", "link", ERROR, 1),
    (72, "journal_failed", "link", ERROR, 1),
    (73, "hub_stopped", "link", ERROR, 1),
    (74, "versions_differ", "link", NOTICE, 1),
    (75, "hub_deaf", "link", ERROR, 1),
    # The hub works again when the bridge learns of it.
    (79, "hub_crashed", "hub", NOTICE, 1),
)

FROM_BRIDGE = 40
NOT_SENT = 60

NUMBER_OF = {entry[1]: entry[0] for entry in FAULTS}
BY_NUMBER = {entry[0]: entry for entry in FAULTS}
