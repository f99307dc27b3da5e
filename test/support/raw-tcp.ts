// SPDX-License-Identifier: Apache-2.0

/* A TCP client that writes its own segments, and a server that writes down what it gets, in Python. */

/**
 * Writes every segment by hand as an Ethernet frame, under an address that its machine doesn't have (so that nobody
 * resets it). argv: device, MAC of the server, own address, address and port of the server; then the attack, in Python.
 * `G` and `E` are an allowed and a refused request of the same length.
 */
export const rawTcp = `
import os,random,socket,struct,sys,time
device,mac,own,server,port=sys.argv[1:6]; port=int(port)
six=':' in own; family=socket.AF_INET6 if six else socket.AF_INET
me,it=socket.inet_pton(family,own),socket.inet_pton(family,server)
wire=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,socket.ntohs(3)); wire.bind((device,0))
FIN,SYN,RST,PSH,ACK,URG=1,2,4,8,16,32
G=b'GET /good HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'; E=G.replace(b'good',b'evil')
def total(b):
    b+=b'\\0'*(len(b)%2); n=sum(struct.unpack('!%dH'%(len(b)//2),b))
    while n>>16: n=(n&0xffff)+(n>>16)
    return ~n&0xffff
class Connection:
    def __init__(self,stamps=False):
        self.port=random.randrange(20000,60000); self.start=random.getrandbits(32); self.theirs=0; self.stamps=stamps
        self.stamp=1000000
    def options(self,old):
        return struct.pack('!BBBBII',1,1,8,10,self.stamp-(100000 if old else 0),self.echo) if self.stamps else b''
    def segment(self,at,flags,data=b'',ack=0,urgent=0,spoil=False,old=False,options=None,headers=b'',first=6):

        options=self.options(old) if options is None else options
        t=struct.pack('!HHIIBBHHH',self.port,port,(self.start+1+at)%2**32,(self.theirs+ack)%2**32 if flags&ACK else 0,
            (5+len(options)//4)<<4,flags,60000,0,urgent)+options+data
        pseudo=me+it+struct.pack('!IHBB',len(t),0,0,6)
        t=t[:16]+struct.pack('!H',total(pseudo+t)^(0x5555 if spoil else 0))+t[18:]
        if six: p=b'\\x86\\xdd'+struct.pack('!IHBB',6<<28,len(headers+t),first,64)+me+it+headers+t
        else:
            h=struct.pack('!BBHHHBBH',0x45,0,20+len(t),0,0,64,6,0)+me+it
            p=b'\\x08\\0'+h[:10]+struct.pack('!H',total(h))+h[12:]+t
        wire.send(bytes.fromhex(mac.replace(':',''))+wire.getsockname()[4]+p)
    def syn(self,data=b'',options=b''):
        if self.stamps: options+=struct.pack('!BBBBII',1,1,8,10,self.stamp,0)
        self.segment(-1,SYN,data,options=options)
        end=time.time()+1; wire.settimeout(1)
        while time.time()<end:
            p=wire.recv(70000)[54 if six else 34:]
            if len(p)<20 or struct.unpack('!HH',p[:4])!=(port,self.port) or p[13]&18!=18: continue
            self.theirs=struct.unpack('!I',p[4:8])[0]+1
            o=p[20:(p[12]>>4)*4]
            while self.stamps and o[0]!=8: o=o[1:] if o[0]==1 else o[o[1]:]
            if self.stamps: self.echo=struct.unpack('!I',o[2:6])[0]
            return
        raise TimeoutError
    def open(self): self.syn(); self.segment(0,ACK); time.sleep(0.05); return self
    def send(self,at,data,flags=ACK|PSH,**how): self.segment(at,flags,data,**how); time.sleep(0.03)
exec(sys.argv[6])
time.sleep(0.1); print('done')
`;

/**
 * Serves TCP on all addresses at the ports from argv[2] on, \`PORT\` or \`PORT:OPTION\` (of level TCP, set to 5). Writes a line
 * to the file argv[1] for each piece that it reads, and for the end of a connection: \`number port hex\`, \`number port end\`, \`number port ERROR\`. Answers nothing.
 */
export const listeningServer = `
import errno,itertools,select,socket,sys
numbers=itertools.count(); poll={}
out=open(sys.argv[1],'w')
for at in sys.argv[2:]:
    port,_,option=at.partition(':')
    s=socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
    if option: s.setsockopt(socket.IPPROTO_TCP,int(option),5)
    s.bind(('::',int(port))); s.listen(64); poll[s]=None
while True:
    for s in select.select(list(poll),[],[])[0]:
        if poll[s] is None:
            try: c,_=s.accept(); poll[c]=(next(numbers),c.getsockname()[1])
            except OSError: pass
            continue
        try: d=s.recv(1<<20); said=d.hex() or 'end'
        except OSError as e: d=b''; said=errno.errorcode[e.errno]
        print(*poll[s],said,file=out,flush=True)
        if not d: del poll[s]; s.close()
`;
