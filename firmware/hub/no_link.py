"""What stands for the link where none can be opened: the light and the devices go on."""

import asyncio


class NoLink:
    """In the place of a link that could not be opened: nothing comes, and what is sent is lost."""

    async def readinto(self, buffer):
        await asyncio.Event().wait()

    def write_now(self, data):
        return len(data)

    async def write(self, data):
        await asyncio.sleep_ms(0)

    def close(self):
        pass
