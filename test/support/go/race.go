// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	whole     = "GET /good HTTP/1.1\r\nHost: race.test\r\n\r\n"
	evil      = "GET /evil HTTP/1.1\r\nHost: race.test\r\n\r\n" // as long
	raceLasts = 10 * time.Second
	settles   = 500 * time.Millisecond
)

// race is a hostile client: on one connection a thread sends whole requests while another sends a request in two
// pieces. A server that got the whole one between the two would take it for the body, and the body for a request.
func race(address string) error {
	until := time.Now().Add(raceLasts)
	turns, stuck := 0, 0
	for time.Now().Before(until) {
		done, err := raceOver(address, until)
		turns += done
		if err != nil {
			stuck++
		}
	}
	fmt.Println("turns", turns, "stuck", stuck)
	return nil
}

func raceOver(address string, until time.Time) (turns int, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	if err := raw.Control(func(it uintptr) { fd = int(it) }); err != nil {
		return 0, err
	}
	for ready := time.Now().Add(settles); time.Now().Before(ready); time.Sleep(20 * time.Millisecond) {
		send(fd, whole)
		if err := answers(conn, 1); err != nil {
			return turns, err
		}
	}
	head := fmt.Sprintf("POST /good HTTP/1.1\r\nHost: race.test\r\nContent-Length: %d\r\n\r\n", len(evil))
	for ; time.Now().Before(until); turns++ {
		var start atomic.Int32
		var both sync.WaitGroup
		both.Add(2)
		for _, pieces := range [][]string{{whole}, {head, evil}} {
			go func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				defer both.Done()
				for start.Add(1); start.Load() < 2; {
				}
				for spin := (turns * 37) % 2000; len(pieces) == 1 && spin > 0; spin-- {
					start.Load()
				}
				for _, piece := range pieces {
					send(fd, piece)
				}
			}()
		}
		both.Wait()
		if err := answers(conn, 2); err != nil {
			return turns, err
		}
	}
	return turns, nil
}

// send writes past Go's own lock on a connection.
func send(fd int, text string) {
	for _, err := syscall.Write(fd, []byte(text)); errors.Is(err, syscall.EAGAIN); _, err = syscall.Write(fd, []byte(text)) {
		time.Sleep(time.Millisecond)
	}
}

func answers(conn net.Conn, count int) error {
	buffer, all := make([]byte, 65536), []byte{}
	for bytes.Count(all, []byte("HTTP/1.1 200")) < count {
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return err
		}
		n, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		all = append(all, buffer[:n]...)
	}
	return nil
}
