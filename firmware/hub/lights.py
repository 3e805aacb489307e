"""The light that the board file's `indicator` section describes. The start's alone: see start_only.py."""

KINDS = ("rgb", "mono", "ws2812", "onboard", "none")


def open_light(wiring):
    """ValueError if its kind is not known."""
    kind = wiring.get("kind", "none")
    if kind not in KINDS:
        raise ValueError("indicator.kind: expected one of %s, found %r" % (", ".join(sorted(KINDS)), kind))
    if kind == "ws2812":
        from hub.pixel_light import PixelLight

        return PixelLight(wiring)
    from hub.pin_lights import MonoLight, NoLight, OnboardLight, RgbLight

    return {"rgb": RgbLight, "mono": MonoLight, "onboard": OnboardLight, "none": NoLight}[kind](wiring)


def open_last_resort():
    """The board's own LED, where nothing better is known of the board and it has one that MicroPython names."""
    try:
        return open_light({"kind": "onboard"})
    except (ValueError, OSError):
        return open_light({"kind": "none"})
