//go:build unix

// Command install puts every engine of the conformance tests into the cache, and
// the peers that they compare with, so that the tests themselves never wait for a
// download or a build. It is run in the conformance folder and says what each took:
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
	engines := testenv.Engines()
	for _, name := range []string{"grpcurl", "buf"} {
		engines = append(engines, testenv.Engine{Name: name, Install: func() (string, error) { return testenv.InstallTool(name) }})
	}
	for _, engine := range engines {
		start := time.Now()
		dir, err := engine.Install()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%-32s %6.1fs  %s\n", engine.Name, time.Since(start).Seconds(), dir)
	}
}
