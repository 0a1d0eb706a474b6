// Command suokectl debugs, gates, repairs and drills microservices that talk
// over gRPC and Kafka.
package main

import (
	"os"

	"github.com/suokelife/suokectl/cmd/root"
)

func main() { os.Exit(root.Main()) }
