// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// serve answers with the bytes of each request's body and counts them in a trailer. Its listener is net.ListenConfig's
// own choice; the number of its protocol is printed once it listens (6: TCP, 262: Multipath TCP).
func serve(address string) error {
	config := net.ListenConfig{}
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	protocol, err := protocolOf(listener.(*net.TCPListener))
	if err != nil {
		return err
	}
	fmt.Println("listening", protocol)
	return http.Serve(listener, http.HandlerFunc(echo))
}

func echo(response http.ResponseWriter, request *http.Request) {
	host, _, _ := net.SplitHostPort(request.RemoteAddr)
	response.Header().Set("x-client", host)
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	response.Header().Set("trailer", "x-bytes")
	for rest := body; len(rest) > 0; rest = rest[min(len(rest), 5000):] {
		_, _ = response.Write(rest[:min(len(rest), 5000)])
	}
	response.Header().Set("x-bytes", strconv.Itoa(len(body)))
}

func protocolOf(listener *net.TCPListener) (int, error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return 0, err
	}
	protocol := 0
	var failed error
	err = raw.Control(func(fd uintptr) {
		protocol, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PROTOCOL)
	})
	if err == nil {
		err = failed
	}
	return protocol, err
}
