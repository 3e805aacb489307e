"""The message dictionary as it is written: what can be said on each channel, and how it is laid out.

One byte names a message: channel in the high four bits, number in the low four. A layout is a struct format for the
fixed part; "*" at its end stands for one more field, the rest of the payload. The dictionary's hash travels in HELLO,
so that both sides know whether they speak the same one.

Read once, by messages.py: a hub lets go of it when it has started.
"""

from binascii import crc32

# code, name, layout, fields
DICTIONARY = (
    (0x00, "credit", "<BH", "channel limit"),  # either way: messages the sender of this will take in all, mod 2**16
    (0x01, "faults", "*", "numbers"),  # hub: its active faults, one byte each; replaces what it said before
    (0x02, "blame", "*", "text"),  # hub: a task failed and was started again; its traceback's last lines
    (0x03, "problems", "*", "text"),  # hub: what its board file and file system lack, a line each; sent once a session
    (0x04, "errors", "<HHHHHHHHH", "length checksum version echo session hello ack credit message"),  # hub: bad input
    (0x10, "kick", "<IBHI", "kick drawer on_ms deadline_ms"),  # bridge: deadline in the hub's own milliseconds
    (0x11, "kick_done", "<IB", "kick outcome"),  # hub: see KICK_OUTCOMES
    (0x12, "drawer", "<B", "state"),  # hub: see DRAWER_STATES
    (0x20, "scan", "<IIB*", "sequence age_ms flags data"),  # hub: SCAN_ bits; data as the scanner sent it
    (0x21, "scan_taken", "<I", "sequence"),  # bridge: it and all before it are in the journal
    (0x22, "scanner_enable", "<BI", "enabled for_ms"),  # bridge: 0 switches it off, for so long at most
    (0x23, "scanner", "<BB", "state can_switch"),  # hub: see SCANNER_STATES; whether it can switch the scanner off
    (0x30, "shown", "<BB", "pattern fault"),  # hub: what the LED shows now, see PATTERNS
    (0x31, "show", "*", "numbers"),  # bridge: faults it knows of, for the LED; replaces what it said before
    (0x40, "job_begin", "<8sI*", "job total_bytes proof"),  # bridge: `proof` will ask the printer if it is on paper
    (0x41, "job_data", "*", "data"),  # bridge: the next bytes of the job begun
    (0x42, "job_end", "<8s", "job"),  # bridge: that was all of it
    (0x43, "job_forget", "<8s", "job"),  # bridge: its outcome is in the journal
    (0x44, "job_status", "<8sBBII*", "job phase reason received_bytes written_bytes reply"),  # hub
    (0x45, "printer_status", "<B4s", "condition asb"),  # hub: see PRINTER_CONDITIONS; the last ASB bytes
    (0x46, "printer_query", "*", "query"),  # bridge: ask the printer something between jobs
    (0x47, "printer_reply", "*", "reply"),  # hub: what came back
    (0x50, "prompt", "*", "why"),  # flasher: restart into MicroPython's prompt; obeyed where the link is the console
)


def hash_of(dictionary):
    """CRC-32 over its canonical text, one line a message: code, name, layout, fields."""
    checksum = 0
    for code, name, layout, fields in dictionary:
        checksum = crc32(("%d %s %s %s\n" % (code, name, layout, fields)).encode(), checksum)
    return checksum
