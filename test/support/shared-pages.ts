// SPDX-License-Identifier: Apache-2.0

/**
 * Sends an allowed request to argv[1], port argv[2], without copying it, and writes another into the same
 * memory once it has arrived. argv[3]: how. Prints `changed`.
 */
export const sharedSender = `
import ctypes,mmap,os,socket,sys,tempfile,time
libc=ctypes.CDLL(None,use_errno=True)
G=b'GET /good HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'; E=G.replace(b'good',b'evil')
s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET); s.settimeout(2)
way=sys.argv[3]
if way=='zerocopy': s.setsockopt(socket.SOL_SOCKET,60,1)
s.connect((sys.argv[1],int(sys.argv[2])))
time.sleep(0.1)
class iovec(ctypes.Structure): _fields_=[('base',ctypes.c_void_p),('length',ctypes.c_size_t)]
r,w=os.pipe()
if way=='body':
    s.send(b'POST /good HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 10000\\r\\n\\r\\n')
    f=tempfile.TemporaryFile(dir='/dev/shm'); f.write(b'b'*10000); f.flush()
    assert os.sendfile(s.fileno(),f.fileno(),0,10000)==10000
elif way=='collapse':
    m=mmap.mmap(-1,4096); m[:len(G)]=G
    at=ctypes.addressof(ctypes.c_char.from_buffer(m))
    s.setsockopt(socket.IPPROTO_TCP,socket.TCP_NODELAY,1)
    s.send(G[:5])
    assert libc.vmsplice(w,ctypes.byref(iovec(at+5,len(G)-5)),1,0)==len(G)-5
    assert os.splice(r,s.fileno(),len(G)-5)==len(G)-5
    time.sleep(1.5); m[:len(E)]=E
elif way in ('vmsplice','zerocopy'):
    m=mmap.mmap(-1,4096); m[:len(G)]=G
    at=ctypes.addressof(ctypes.c_char.from_buffer(m))
    if way=='vmsplice':
        assert libc.vmsplice(w,ctypes.byref(iovec(at,len(G))),1,0)==len(G)
        assert os.splice(r,s.fileno(),len(G))==len(G)
    else: assert s.send(memoryview(m)[:len(G)],0x4000000)==len(G)
    time.sleep(0.2); m[:len(E)]=E
else:
    f=tempfile.TemporaryFile(dir='/dev/shm'); f.write(G); f.flush()
    if way=='sendfile': assert os.sendfile(s.fileno(),f.fileno(),0,len(G))==len(G)
    else:
        assert os.splice(f.fileno(),w,len(G),0)==len(G)
        assert os.splice(r,s.fileno(),len(G))==len(G)
    time.sleep(0.2); os.pwrite(f.fileno(),E,0)
print('changed',flush=True)
time.sleep(0.1)
os._exit(0)
`;
