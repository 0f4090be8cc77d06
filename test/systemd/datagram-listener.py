# Stands in for systemd: prints every datagram that arrives on a Unix socket, one a line, until its standard input ends.
import os, select, socket, sys

path = sys.argv[1]
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind("\0" + path[1:] if path.startswith("@") else path)
print("listening", flush=True)
while True:
    ready, _, _ = select.select([ear, sys.stdin], [], [])
    if ear in ready:
        print(ear.recv(65536).decode(), flush=True)
    elif os.read(0, 1) == b"":
        break
