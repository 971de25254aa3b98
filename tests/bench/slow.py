#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
slow.py ADDRESS TO SECONDS: a link of that time one way: what comes to port 25 of ADDRESS
goes on to port 25 of TO that much later, and so does what comes back.
"""
import asyncio
import sys


def finish(writer):
    try:
        writer.write_eof()
    except OSError:     # it has gone already
        pass


async def forward(reader, writer, seconds):
    """Each piece keeps its own time: a long transfer is late once, not once a piece."""
    loop = asyncio.get_running_loop()
    while True:
        data = await reader.read(65536)
        when = loop.time() + seconds
        if data:
            loop.call_at(when, writer.write, data)
        else:           # what comes the other way is still on its way
            loop.call_at(when, finish, writer)
            return


async def main(address, to, seconds):
    async def taken(reader, writer):
        await asyncio.sleep(2 * seconds)        # SYN and its answer
        far_reader, far_writer = await asyncio.open_connection(to, 25)
        await asyncio.gather(forward(reader, far_writer, seconds),
            forward(far_reader, writer, seconds), return_exceptions=True)
        await asyncio.sleep(2 * seconds)
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(taken, address, 25)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
