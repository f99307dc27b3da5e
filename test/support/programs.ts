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
