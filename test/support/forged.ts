// SPDX-License-Identifier: Apache-2.0

/* Packets that no socket of the sender would write, in Python. All of it needs CAP_NET_RAW where it runs. */

/**
 * Writes UDP datagrams as Ethernet frames, under any source address. argv: device, MAC address of the receiver, then for
 * each `source,destination,port,text`. On one processor, so that they arrive in this order.
 */
export const forger = `
import os,socket,struct,sys
os.sched_setaffinity(0,{min(os.sched_getaffinity(0))})
def total(b):
    b+=b'\\0'*(len(b)%2); n=sum(struct.unpack('!%dH'%(len(b)//2),b))
    while n>>16: n=(n&0xffff)+(n>>16)
    return ~n&0xffff
def datagram(s,d,port,text):
    six=':' in s; f=socket.AF_INET6 if six else socket.AF_INET
    s,d=socket.inet_pton(f,s),socket.inet_pton(f,d); n=8+len(text)
    u=struct.pack('!HHHH',4000,port,n,0)+text
    u=u[:6]+struct.pack('!H',total(s+d+struct.pack('!IHBB',n,0,0,17)+u) or 0xffff)+u[8:]
    if six: return b'\\x86\\xdd'+struct.pack('!IHBB',6<<28,n,17,64)+s+d+u
    h=struct.pack('!BBHHHBBH',0x45,0,20+n,0,0,64,17,0)+s+d
    return b'\\x08\\0'+h[:10]+struct.pack('!H',total(h))+h[12:]+u
s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW); s.bind((sys.argv[1],0))
to=bytes.fromhex(sys.argv[2].replace(':',''))
for case in sys.argv[3:]:
    a,b,port,text=case.split(','); s.send(to+b'\\2\\0\\0\\0\\0\\1'+datagram(a,b,int(port),text.encode()))
print('sent')
`;

/** Prints what arrives on the UDP ports of argv, of both families. */
export const hearer = `
import select,socket,sys
def bound(f,port):
    s=socket.socket(f,socket.SOCK_DGRAM)
    if f==socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_V6ONLY,1)
    s.bind(('',int(port))); return s
all=[bound(f,p) for p in sys.argv[1:] for f in (socket.AF_INET,socket.AF_INET6)]; print('here',flush=True)
while True:
    for s in select.select(all,[],[])[0]: print(s.recv(100).decode(),flush=True)
`;

/** Sends a segment or datagram that is built by hand to argv[2]; argv[1] is how. Prints 'sent' or the name of the error. */
export const rawSender = `
import errno,socket,struct,sys
how,to=sys.argv[1:3]; six=':' in to; f=socket.AF_INET6 if six else socket.AF_INET
syn=struct.pack('!HHIIBBHHH',1234,8080,1,0,5<<4,2,100,0,0); dgram=struct.pack('!HHHH',1234,8080,8,0)
ip=lambda p,b: struct.pack('!BBHHHBBH4s4s',0x45,0,20+len(b),0,0,64,p,0,socket.inet_aton(sys.argv[3]),socket.inet_aton(to))+b
p,b={'tcp':(6,syn),'udp':(17,dgram),'raw tcp':(255,ip(6,syn) if not six else b''),'icmp with a tcp header':(1,ip(6,syn) if not six else b'')}[how]
try:
    s=socket.socket(f,socket.SOCK_RAW,p)
    if how.startswith('icmp'): s.setsockopt(socket.IPPROTO_IP,socket.IP_HDRINCL,1)
    s.sendto(b,(to,0)); print('sent')
except OSError as e: print(errno.errorcode[e.errno])
`;

/** Sends an echo request to argv[1] over a raw socket and waits for the answer (`ping` asks UDP for its own address). */
export const echoRequest = `
import socket,struct,sys
six=':' in sys.argv[1]; f,p,ask,answer=(socket.AF_INET6,58,128,129) if six else (socket.AF_INET,1,8,0)
s=socket.socket(f,socket.SOCK_RAW,p); s.settimeout(5)
s.sendto(struct.pack('!BBHHH',ask,0,~((ask<<8)+77+1)&0xffff,77,1),(sys.argv[1],0))
while True:
    d=s.recv(200); d=d if six else d[20:]
    if d[0]==answer and d[4:8]==struct.pack('!HH',77,1): break
print('answered')
`;
