// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"
	"strings"
)

// relay takes connections at the first of two addresses and opens one to the second for each; io.Copy moves the bytes, on
// Linux by splice.
func relay(addresses string) error {
	from, to, found := strings.Cut(addresses, ",")
	if !found {
		return fmt.Errorf("relay: two addresses with a comma between, not %q", addresses)
	}
	listener, err := net.Listen("tcp", from)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go relayOne(client.(*net.TCPConn), to)
	}
}

func relayOne(client *net.TCPConn, to string) {
	defer client.Close()
	dialled, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	server := dialled.(*net.TCPConn)
	defer server.Close()
	done := make(chan struct{})
	go func() {
		copyAll(server, client)
		close(done)
	}()
	copyAll(client, server)
	<-done
}

func copyAll(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
}
