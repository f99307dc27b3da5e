// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"time"
)

const (
	callers = 4
	rounds  = 20
)

// seen is what all requests of a run have seen together.
type seen struct {
	sync.Mutex
	wrong, refused, continued int
	connections, clients      map[string]bool
}

// ask makes requests of many kinds over a few connections that are kept: bodies of many sizes, with a length and in
// chunks, with Expect: 100-continue, and among them some that policy refuses.
func ask(base string) error {
	transport := &http.Transport{MaxConnsPerHost: callers, MaxIdleConnsPerHost: callers, ExpectContinueTimeout: 5 * time.Second}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	all := &seen{connections: map[string]bool{}, clients: map[string]bool{}}
	var waiting sync.WaitGroup
	failures := make(chan error, callers)
	for caller := range callers {
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			for round := range rounds {
				if err := all.request(client, base, caller, round); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	waiting.Wait()
	close(failures)
	if err := <-failures; err != nil {
		return err
	}
	fmt.Println("wrong", all.wrong, "refused", all.refused, "continued", all.continued, "connections", len(all.connections), "clients", keys(all.clients))
	return nil
}

func (all *seen) request(client *http.Client, base string, caller, round int) error {
	path, method := "/items", http.MethodPost
	body := make([]byte, round*caller*3000)
	if round%5 == 4 {
		path, method, body = "/other", http.MethodGet, nil
	}
	if _, err := rand.Read(body); err != nil {
		return err
	}
	var reader io.Reader = bytes.NewReader(body)
	if round%2 == 1 {
		reader = io.MultiReader(reader) // of a length that nobody knows: sent in chunks
	}
	request, err := http.NewRequest(method, base+path, reader)
	if err != nil {
		return err
	}
	if round%3 == 2 && len(body) > 0 {
		request.Header.Set("expect", "100-continue")
	}
	trace := &httptrace.ClientTrace{
		GotConn:        func(info httptrace.GotConnInfo) { all.note(all.connections, info.Conn.LocalAddr().String()) },
		Got100Continue: func() { all.count(&all.continued) },
	}
	response, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusForbidden {
		all.count(&all.refused)
		return nil
	}
	all.note(all.clients, response.Header.Get("x-client"))
	if !bytes.Equal(answer, body) || response.Trailer.Get("x-bytes") != strconv.Itoa(len(body)) {
		all.count(&all.wrong)
	}
	return nil
}

func (all *seen) note(in map[string]bool, text string) {
	all.Lock()
	defer all.Unlock()
	in[text] = true
}

func (all *seen) count(which *int) {
	all.Lock()
	defer all.Unlock()
	*which++
}

func keys(of map[string]bool) []string {
	list := make([]string, 0, len(of))
	for key := range of {
		list = append(list, key)
	}
	return list
}

// dial opens one connection, with Multipath TCP if GODEBUG asks for it, and says what became of it.
func dial(address string) error {
	connection, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer connection.Close()
	multipath, err := connection.(*net.TCPConn).MultipathTCP()
	if err != nil {
		return err
	}
	fmt.Println("multipath", multipath)
	return nil
}
