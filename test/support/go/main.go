// SPDX-License-Identifier: Apache-2.0

// Servers and clients as people write them in Go, for the tests: nothing in here knows of Perigee.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: peer serve ADDRESS | ask URL | dial ADDRESS | relay ADDRESS,ADDRESS | race ADDRESS")
		os.Exit(2)
	}
	do := map[string]func(string) error{"serve": serve, "ask": ask, "dial": dial, "relay": relay, "race": race}[os.Args[1]]
	if err := do(os.Args[2]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
