// SPDX-License-Identifier: Apache-2.0

/* Small clients and servers that tests run in namespaces, in Python: unmodified sockets of another runtime. */

/** Serves TCP on all addresses of both families at argv[1]: writes the peer's address and ends. */
export const tcpServer = `
import socket,sys
s=socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
s.bind(('::',int(sys.argv[1]))); s.listen(64)
while True:
    c,a=s.accept()
    c.sendall(('%s|%s'%(a[0],c.getpeername()[0])).encode()); c.close()
`;

/** Connects to argv[1]:argv[2] (with %DEVICE on the link) and prints 'ok <what the server said>' or the name of the error. */
export const tcpClient = `
import socket,sys,errno
h=sys.argv[1]; s=socket.socket(socket.AF_INET6 if ':' in h else socket.AF_INET); s.settimeout(3)
try:
    s.connect(socket.getaddrinfo(h,int(sys.argv[2]),s.family,s.type)[0][4]); print('ok',s.recv(200).decode())
except OSError as e:
    print(errno.errorcode.get(e.errno,type(e).__name__))
`;

/** Echoes datagrams on all addresses at argv[1]. */
export const udpServer = `
import socket,sys
s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.bind(('::',int(sys.argv[1])))
while True:
    d,a=s.recvfrom(2000); s.sendto(d,a)
`;

/** Sends a datagram to argv[1]:argv[2], connected if argv[3] says so; prints the answer or the error. */
export const udpClient = `
import socket,sys,errno
h=sys.argv[1]; s=socket.socket(socket.AF_INET6 if ':' in h else socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(0.7)
try:
    a=(h,int(sys.argv[2]))
    if sys.argv[3]=='connected': s.connect(a); s.send(b'hi')
    else: s.sendto(b'hi',a)
    print('ok',s.recv(100).decode())
except socket.timeout: print('silence')
except OSError as e: print(errno.errorcode.get(e.errno,type(e).__name__))
`;

/** Echoes TCP on all addresses at argv[1], many connections at once. */
export const echoServer = `
import socket,sys,threading
s=socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
s.bind(('::',int(sys.argv[1]))); s.listen(64)
def serve(c):
    try:
        while True:
            d=c.recv(100)
            if not d: break
            c.sendall(d)
    except OSError: pass
    c.close()
while True: threading.Thread(target=serve,args=(s.accept()[0],),daemon=True).start()
`;

/**
 * Holds one connection to argv[1]:argv[2], from port argv[4] if given; argv[3] is tcp or udp. Prints 'open', for each line of
 * its input what came back, and at the end 'end' or the name of the error.
 */
export const holdingClient = `
import socket,sys,errno,select
h=sys.argv[1]; f=socket.AF_INET6 if ':' in h else socket.AF_INET
s=socket.socket(f,socket.SOCK_STREAM if sys.argv[3]=='tcp' else socket.SOCK_DGRAM)
if len(sys.argv)>4: s.bind(('::' if ':' in h else '',int(sys.argv[4])))
try:
    s.connect((h,int(sys.argv[2]))); s.send(b'hi'); s.recv(100); print('open',flush=True)
    while True:
        for r in select.select([s,sys.stdin],[],[])[0]:
            if r is s:
                if not s.recv(100): print('end',flush=True); sys.exit()
            else:
                if not sys.stdin.readline(): sys.exit()
                s.send(b'ping'); print(s.recv(100).decode(),flush=True)
except OSError as e: print(errno.errorcode.get(e.errno,str(e)),flush=True)
`;
