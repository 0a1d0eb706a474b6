//go:build unix

// Command install puts every engine of the conformance tests into the cache, so
// that the tests themselves never wait for a download or a build. It is run in
// the conformance folder and says what each engine took:
//
//	go run ./install
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/suokelife/suokectl/internal/testenv"
)

func main() {
	for _, engine := range testenv.Engines() {
		start := time.Now()
		dir, err := engine.Install()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%-24s %6.1fs  %s\n", engine.Name, time.Since(start).Seconds(), dir)
	}
}
